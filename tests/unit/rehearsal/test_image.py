"""The image's recipe: hashed whole, and taken for built only when podman's index says so."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from rehearsal import image
from rehearsal.podman import IMAGES, Podman, PodmanError


def test_the_tag_follows_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.recipe_hash()
    assert image.recipe_hash() == before
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "nano"))
    changed = image.recipe_hash()
    monkeypatch.setitem(image.FILES, "etc/motd", "hello\n")
    assert len({before, changed, image.recipe_hash()}) == 3


def test_an_image_counts_only_under_its_name_in_the_index(tmp_path: Path) -> None:
    assert not image.present(tmp_path)
    index = tmp_path / "overlay-images" / "images.json"
    index.parent.mkdir()
    index.write_text(json.dumps([{"id": "1"}, {"id": "2", "names": [f"{image.NAME}:other"]}]))
    assert not image.present(tmp_path)
    index.write_text(json.dumps([{"id": "3", "names": [image.reference()]}]))
    assert image.present(tmp_path)


def test_files_and_links_get_into_the_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(image.overlay_tar())) as archive:
        entry = archive.extractfile("./etc/cloud/cloud.cfg")
        assert entry is not None
        assert b"datasource_list: [NoCloud]" in entry.read()
        assert archive.getmember("./etc/systemd/system/getty.target").linkname == "/dev/null"


def test_no_mirror_is_named() -> None:
    command = image.bootstrap_command(Path("o.tar"), Path("r.tar"))
    assert command[-2:] == [image.SUITE, "r.tar"]
    assert not any("://" in word for word in command)


class OnlyCrun(Podman):
    """Stands in for a machine on which runc is missing."""

    def call(self, *arguments: str, timeout: float = 0) -> str:  # noqa: ARG002
        if arguments[1] != "crun":
            raise PodmanError("no such runtime")
        return ""


def test_the_first_runtime_that_works_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert image.probe_runtime(OnlyCrun(tmp_path)) == "crun"
    monkeypatch.setattr(image, "RUNTIMES", ("runc", "youki"))
    with pytest.raises(PodmanError, match="runc: no such runtime; youki: no such runtime"):
        image.probe_runtime(OnlyCrun(tmp_path))


@pytest.mark.hosts
def test_building_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = image.ensure()
    monkeypatch.setattr(image, "Podman", None)  # whoever calls it again fails
    before = (IMAGES / "overlay-images" / "images.json").stat().st_mtime_ns
    assert image.ensure() == reference
    assert (IMAGES / "overlay-images" / "images.json").stat().st_mtime_ns == before
