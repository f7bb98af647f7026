"""The benchmark's picture, read as XML: what it says, that nothing in it overlaps, and that it is always the same.

Widths of words are estimated as the picture itself does it, on the safe side; the documents are hand-made fakes.
"""

from __future__ import annotations

import itertools
import json
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.gpulab.core.plugins.module_utils import benchmark_picture_parts as parts
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_picture import MARGIN, WIDTH, picture
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_picture_speed import rows

from tests.unit.benchmark_documents import BUSY, both, cpu_only, document, on_gpu, run

SVG = "{http://www.w3.org/2000/svg}"
LONG = "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb"


def fast() -> dict[str, Any]:
    """A GPU a hundred times as fast as the CPU, with a floor, the naive style on both, and a long name."""
    made = both(LONG)
    for net in ("lenet", "mlp"):
        gpu = on_gpu(net, 0.045, floor_seconds_per_epoch=0.02, times_floor=2.25)
        naive = {"cpu": run(net, 7.9, style="naive"), "cuda": on_gpu(net, 3.1, style="naive")}
        made[net] |= {"cuda": gpu, "naive": naive}
    return made | {"cpu_model": "A processor whose maker gave it a very long name, with its clock @ 2.40GHz" * 3}


DOCUMENTS = {
    "a CPU alone": cpu_only(),
    "both": both(),
    "fast": fast(),
    "one epoch, unreliable": document(lenet={"cpu": run("lenet", 12.2, [BUSY], epochs=1)}),
    "fifty epochs": document(mlp={"cpu": run("mlp", 3.0, epochs=50)}),
    "two epochs, slow": document(lenet={device: run("lenet", 500.0, epochs=2) for device in ("cpu", "cuda")}),
    "a GPU alone": document("T4", lenet={"cuda": on_gpu("lenet", 0.0004)}),
    "naive only": document(mlp={"cpu": run("mlp", 7.8, style="naive")}),
    "NaN at once": document(lenet={"cpu": run("lenet", 2.0, loss=None, losses=[])}),
    "NaN later": document(mlp={"cpu": run("mlp", 2.0, loss=float("nan"), losses=[0.8, 3e38, float("nan")])}),
}  # fmt: skip
drawings = pytest.mark.parametrize("name", DOCUMENTS)


def drawn(name: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture(DOCUMENTS[name]))


def texts(svg: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in svg.iter(SVG + "text")]


def box(element: ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a line of words."""
    size = float(element.attrib["font-size"])
    wide = parts.width(element.text or "", size)
    left = (
        float(element.attrib["x"])
        - {"start": 0.0, "middle": wide / 2, "end": wide}[element.get("text-anchor", "start")]
    )
    base = float(element.attrib["y"])
    return left, base - 0.75 * size, left + wide, base + 0.2 * size


@drawings
def test_no_words_overlap_and_none_leave_the_paper(name: str) -> None:
    svg = drawn(name)
    _x, _y, wide, high = map(float, svg.attrib["viewBox"].split())
    boxes = {f"{element.text} at {element.get('y')}": box(element) for element in svg.iter(SVG + "text")}
    outside = [said for said, b in boxes.items() if b[0] < 0 or b[1] < 0 or b[2] > wide or b[3] > high]
    assert outside == []
    pairs = itertools.combinations(boxes.items(), 2)
    assert [(a, b) for (a, p), (b, q) in pairs if p[0] < q[2] and q[0] < p[2] and p[1] < q[3] and q[1] < p[3]] == []


@drawings
def test_nothing_is_drawn_beside_the_paper(name: str) -> None:
    svg = drawn(name)
    across = [float(value) for e in svg.iter() for key, value in e.attrib.items() if key in ("x1", "x2", "cx")]
    points = [point.split(",") for e in svg.iter(SVG + "polyline") for point in e.attrib["points"].split()]
    assert all(MARGIN - 6 <= x <= WIDTH - MARGIN + 6 for x in [*across, *(float(x) for x, _y in points)])
    high = float(svg.attrib["viewBox"].split()[3])
    assert all(0 < float(y) < high for _x, y in points)


@drawings
def test_it_is_the_same_however_the_document_is_ordered(name: str) -> None:
    again = json.loads(json.dumps(DOCUMENTS[name], sort_keys=True))
    assert picture(again) == picture(DOCUMENTS[name])


@drawings
def test_it_says_in_words_what_it_shows_and_brings_its_own_paper(name: str) -> None:
    svg = drawn(name)
    labels = [svg.find(f"{SVG}*[@id='{label}']") for label in svg.attrib["aria-labelledby"].split()]
    assert all(label is not None and label.text for label in labels)
    assert svg.attrib["role"] == "img"
    paper = svg.find(SVG + "rect")
    assert paper is not None
    assert paper.attrib["fill"] == "#ffffff"


def test_cpu_beside_gpu_with_speed_up_floor_and_what_the_course_says() -> None:
    said = texts(ElementTree.fromstring(picture(both())))
    for words in (
        "MNIST training: Tesla T4 beside the CPU",
        "5.0 times the CPU",
        "CPU, 2 threads",
        "11,000/s, 5.00 s an epoch",
        "floor: 19,800/s",
        "Tesla T4",
        "55,000/s, 1.00 s an epoch",
        "Course page, its GPU",
        "9,170/s, 6.00 s an epoch",
        "1,220/s, 45 s an epoch",
        "CPU: loss 0.0400, test 98.71 %",
        "the notebook's own, as it is stored",
    ):
        assert words in said
    assert not [words for words in said if "DataLoader" in words or "nreliable" in words]


def test_rows_of_a_net_with_everything() -> None:
    lenet, mlp = rows(fast(), "lenet"), rows(fast(), "mlp")
    assert [row.name.split(",")[0] for row in lenet[2:]] == ["DataLoader"] * 2 + ["Course page"] * 2
    assert len(mlp) == 4
    assert [bool(row.floor) for row in mlp] == [True, True, False, False]
    assert mlp[0].floor == pytest.approx(60000 / (4.0 / 1.8))


def test_an_unreliable_figure_is_hollow_said_so_and_makes_no_speed_up() -> None:
    busy = document("T4", lenet={"cpu": run("lenet", 5.0, [BUSY]), "cuda": on_gpu("lenet", 1.0)})
    svg = ElementTree.fromstring(picture(busy))
    assert "unreliable: 11,000/s, 5.00 s an epoch" in texts(svg)
    assert not [words for words in texts(svg) if "times the CPU" in words]
    dots = [e.get("fill") for e in svg.iter(SVG + "circle") if e.get("r") == "5.5"]
    assert dots == ["#ffffff", "#bc4c00", "#8250df", "#8250df"]


def test_names_from_a_host_cannot_break_out() -> None:
    nasty = both("<script>&\"'") | {"cpu_model": "</svg><b>"}
    svg = ElementTree.fromstring(picture(nasty))
    assert "<script>&\"'" in texts(svg)
    assert not list(svg.iter("b"))


@pytest.mark.parametrize(
    ("top", "expected"),
    [(0.4, [0, 0.1, 0.2, 0.3, 0.4]), (0.83, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (7, [0, 2, 4, 6, 8])],
)
def test_ticks(top: float, expected: list[float]) -> None:
    assert parts.ticks(top) == pytest.approx(expected)


def test_decades_enclose() -> None:
    assert parts.decades(1222, 42900) == [1000, 10000, 100000]
    assert parts.decades(1000, 1000) == [1000, 10000]
    assert parts.on_decades(10000, [1000, 10000, 100000], 0, 100) == 50


def test_fit_cuts_what_is_too_long() -> None:
    assert parts.fit("short", 13, 100) == "short"
    cut = parts.fit("a name that is much too long", 13, 100)
    assert cut.endswith("…")
    assert parts.width(cut, 13) <= 100
