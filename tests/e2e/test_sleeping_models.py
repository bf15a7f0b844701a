"""Floods on models that sleep, those that cannot be waked, and questions that wake nobody."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.clients import patient
from tests.e2e.running import Reply, Site, modelwright, running
from tests.e2e.test_up import INFER

pytestmark = pytest.mark.e2e
FLOOD, QUEUE = 200, 16
TEXT = f"""
schema: 1
name: toys
models:
  flooded:
    source: ./sums.json
    engine: {{kind: toy-tensor, options: {{load_ms: 500}}}}
    scale: {{min: 0}}
    batching: {{queue_rows: {QUEUE}}}
  lost: {{source: ./lost.json, engine: {{kind: toy-tensor}}, scale: {{min: 0}}}}
  quiet: {{source: ./sums.json, engine: {{kind: toy-tensor}}, scale: {{min: 0}}}}
  asked: {{source: ./sums.json, engine: {{kind: toy-tensor}}, scale: {{min: 0}}}}
  long: {{engine: {{kind: "python:waits:Waits"}}, scale: {{min: 0}}}}
endpoints:
  flooded: {{variants: {{only: {{serve: flooded}}}}}}
  lost: {{variants: {{only: {{serve: lost}}}}}}
  quiet: {{variants: {{only: {{serve: quiet}}}}}}
  asked: {{variants: {{only: {{serve: asked}}}}}}
  long: {{variants: {{only: {{serve: long}}}}}}
  hasty: {{variants: {{only: {{serve: long}}}}, timeout: {{first_token: 300ms}}}}
"""
WAITS = """
import time
from pathlib import Path


class Waits:
    def load(self) -> None:
        while not Path(__file__).with_name("go").exists():
            time.sleep(0.02)

    def predict(self, x: int) -> int:
        return x + 1
"""
TOY = '{"toy": 1, "columns": 4}'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("sleep")
    (folder / "sums.json").write_text(TOY)
    (folder / "lost.json").write_text(TOY)
    (folder / "waits.py").write_text(WAITS)
    with running(TEXT, folder=folder) as found:
        yield found


def infer(site: Site, model: str) -> Reply:
    return site.call("POST", f"/v2/models/{model}/infer", INFER)


def starts(site: Site, model: str) -> int:
    """Of processes, so far."""
    return sum(f'"part":"serving-{model}-' in line and '"state":"starting"' in line for line in site.lines)


def state(site: Site, model: str) -> dict[str, str]:
    return {part.state: part.detail for part in site.watch().parts if part.name.startswith(f"serving-{model}")}


def test_a_flood_on_a_model_that_sleeps_starts_it_once(site: Site) -> None:
    together = threading.Barrier(FLOOD)

    def call() -> Reply:
        together.wait()
        return infer(site, "flooded")

    with ThreadPoolExecutor(FLOOD) as threads:
        replies = [answer.result() for answer in [threads.submit(call) for _ in range(FLOOD)]]
    statuses = Counter(reply.status for reply in replies)
    assert statuses[200] >= 1
    assert set(statuses) <= {200, 503, 429}, statuses
    assert all(reply.headers.get("retry-after") for reply in replies if reply.status != 200)
    assert (infer(site, "flooded").status, starts(site, "flooded")) == (200, 1)


def test_a_model_that_cannot_be_waked_is_left_alone_and_comes_back_with_its_file(site: Site) -> None:
    file = site.manifest.parent / "lost.json"
    file.unlink()
    first = infer(site, "lost")
    assert (first.status, b"cannot be loaded" in first.body) == (503, True), first.body
    patient(lambda: b"could not be started" in infer(site, "lost").body, waiting_for="the gateways to know")
    begun = starts(site, "lost")
    for _ in range(20):
        again = infer(site, "lost")
        assert (again.status, bool(again.headers["retry-after"])) == (503, True)
    assert starts(site, "lost") < begun + 5, "while it rests, longer each time, no call starts it"
    assert "could not be started" in state(site, "lost")["off"]
    load = ("models", "load", "lost", "-f", str(site.manifest))
    refused = modelwright(*load)
    assert (refused.returncode, "lost.json" in refused.stderr) == (1, True), refused
    file.write_text(TOY)
    done = modelwright(*load)
    assert done.returncode == 0, done.stderr
    patient(lambda: infer(site, "lost").status == 200, waiting_for="the gateways to know")


def test_statistics_wake_nobody_and_metadata_waits_for_the_model(site: Site) -> None:
    for path in ("/v2/models/stats", "/v2/models/quiet/stats"):
        reply = site.call("GET", path)
        assert reply.status == 200
        assert "quiet" not in {model["name"] for model in reply.json()["model_stats"]}
    assert site.call("GET", "/v2/models/asked").json()["inputs"][0]["name"] == "x"
    assert starts(site, "asked") == 1
    assert infer(site, "asked").status == 200
    patient(lambda: bool(site.call("GET", "/v2/models/asked/stats").json()["model_stats"]))
    assert (starts(site, "quiet"), [*state(site, "quiet")]) == (0, ["off"])


def test_a_model_that_takes_its_time_keeps_no_other_one_asleep(site: Site) -> None:
    def call() -> Reply:
        return site.call("POST", "/predict/long", b'{"x": 1}', headers={"content-type": "application/json"})

    with ThreadPoolExecutor(1) as thread:
        waiting: Future[Reply] = thread.submit(call)
        try:
            patient(lambda: starts(site, "long") == 1, waiting_for="its process")
            assert infer(site, "quiet").status == 200
            hasty = site.call("POST", "/predict/hasty", b'{"x": 1}', headers={"content-type": "application/json"})
            assert (hasty.status, b"0.3 s" in hasty.body) == (504, True), hasty.body
            assert not waiting.done()
        finally:
            (site.manifest.parent / "go").touch()
        assert waiting.result().status == 200
    assert starts(site, "long") == 1
