"""AWS takes a spot host back during the benchmark."""

from __future__ import annotations

import functools
import importlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_sentence import sentence
from ansible_collections.gpulab.core.plugins.module_utils.benchmark_verdict import verdict

from rehearsal.settings import ROOT

NOTICE = {"action": "stop", "time": "2026-11-22T18:00:00Z"}


class Metadata:
    """A stand-in for a host's metadata service, version 2 only. `notice` is what it says; tokens can be taken back."""

    def __init__(self) -> None:
        self.notice: dict[str, str] | None = None
        self.token, self.tokens, self.asked = "", 0, threading.Semaphore(0)
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                assert self.path == "/latest/api/token"
                assert 0 < int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) <= 21600
                service.tokens += 1
                service.token = f"token-of-the-stand-in-{service.tokens}"
                self.answer(200, service.token)

            def do_GET(self) -> None:
                if self.headers["X-aws-ec2-metadata-token"] != service.token:
                    self.answer(401)
                elif self.path != "/latest/meta-data/spot/instance-action" or service.notice is None:
                    self.answer(404)
                else:
                    self.answer(200, json.dumps(service.notice))
                service.asked.release()

            def answer(self, code: int, text: str = "") -> None:
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def was_asked(self, times: int) -> None:
        """Wait until it has been asked so many times more."""
        for _time in range(times):
            assert self.asked.acquire(timeout=30)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    service = Metadata()
    yield service
    service.close()


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "roles/gpu_benchmark/files"))


def part(name: str) -> Any:
    return importlib.import_module(f"gpubench.{name}")


@pytest.fixture
def watching(metadata: Metadata) -> Iterator[Callable[[], Any]]:
    """Makes a watch of the stand-in that asks as fast as it can."""
    made: list[Any] = []

    def watch() -> Any:
        made.append(part("interruption").Watch(metadata.url, every=0.0))
        return made[-1]

    yield watch
    for one in made:
        one.close()


def test_fault_29_spot_interruption_ends_the_benchmark_without_a_figure(
    metadata: Metadata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, trained = part("__main__"), []

    def benchmark(_options: Any, check: Callable[[], None]) -> dict[str, Any]:
        """A stand-in for the training, which needs PyTorch: an epoch, during which the notice is given."""
        check()
        trained.append("an epoch")
        metadata.notice = NOTICE
        for _look in range(3000):
            check()
            time.sleep(0.01)
        return {}

    monkeypatch.setattr(main, "benchmark", benchmark)
    watch = functools.partial(part("interruption").Watch, every=0.0)
    monkeypatch.setattr(part("interruption"), "Watch", watch)
    out = tmp_path / "out.json"
    history = tmp_path / "history.jsonl"
    given = ["--data", str(tmp_path), "--json", str(out), "--history", str(history), "--spot-notices", metadata.url]
    assert main.main(given) == 0
    assert trained == ["an epoch"]
    assert not history.exists()
    document = json.loads(out.read_text())
    assert document["interrupted"] == NOTICE
    assert not {"lenet", "mlp"} & document.keys()
    judged = verdict(document, gpu_expected=True, real=True)
    assert judged["verdict"] == "failed"
    assert judged["reasons"][0].startswith("AWS takes this spot host back (stop at 2026-11-22T18:00:00Z)")
    assert sentence(document, judged) == judged["reasons"][0]


def test_no_notice_disturbs_nothing(metadata: Metadata, watching: Callable[[], Any]) -> None:
    watch = watching()
    metadata.was_asked(3)
    watch.check()
    assert metadata.tokens == 1


def test_a_token_that_has_run_out_is_renewed(metadata: Metadata, watching: Callable[[], Any]) -> None:
    watch = watching()
    metadata.was_asked(2)
    metadata.token, metadata.notice = "taken back", NOTICE
    metadata.was_asked(2)
    watch.close()
    with pytest.raises(part("interruption").Interrupted, match="gpu_market=on-demand"):
        watch.check()
    assert metadata.tokens == 2


def test_a_host_that_is_on_its_way_out_begins_no_training(metadata: Metadata, watching: Callable[[], Any]) -> None:
    metadata.notice = NOTICE
    with pytest.raises(part("interruption").Interrupted):
        watching().check()


def test_a_service_that_does_not_answer_ends_nothing(
    metadata: Metadata, watching: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    metadata.close()
    watching().check()
    assert "gives no answer" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", "{}", "<html>"])
def test_an_answer_that_is_no_notice_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected an action|Expecting value"):
        part("interruption").parse(text)
