"""Edits of the manifest quickly one after another while calls flow: none of them is lost, and nobody stays behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.clients import Hammer, patient
from tests.e2e.running import Site, alive, running
from tests.e2e.test_up import INFER

pytestmark = pytest.mark.e2e
BETWEEN = 0.5
"""Seconds between two edits: no more than the site takes to see one."""
TEXT = """
schema: 1
name: toys
models:
  sums: {source: ./scale-2.json, engine: {kind: toy-tensor, options: {load_ms: 20}}}
  sleepy: {source: ./scale-2.json, engine: {kind: toy-tensor}, scale: {min: 0, idle: 1s}}
gateway: {workers: 2}
"""
EXTRA = "  extra: {source: ./scale-3.json, engine: {kind: toy-tensor}}\ngateway:"
LAST = TEXT.replace("ms: 20}}", "ms: 20}}, version: last")
EDITS = (
    TEXT.replace("ms: 20}}", "ms: 20}}, batching: {max_rows: 4}"),
    TEXT.replace("gateway:", EXTRA),
    TEXT.replace("ms: 20}}", "ms: 20}}, scale: {min: 3}").replace("1s}", "1s}, batching: {max_rows: 2}"),
    "schema: 1\nname: [",
    TEXT.replace("ms: 20}}", "ms: 20}}, scale: {min: 2}").replace("gateway:", EXTRA),
    TEXT.replace("scale-2.json", "scale-3.json"),
    TEXT.replace("scale-2.json", "cut-short.json"),
    TEXT.replace("ms: 20}}", "ms: 20}}, colour: red"),
    TEXT.replace("ms: 20}}", "ms: 20}}, version: v9").replace("gateway:", EXTRA.replace("scale-3", "scale-2")),
    LAST,
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("edits")
    for scale in (2, 3):
        (folder / f"scale-{scale}.json").write_text(f'{{"toy": 1, "columns": 4, "scale": {scale}}}')
    (folder / "cut-short.json").write_text('{"toy": 1, "col')
    with running(TEXT, folder=folder) as found:
        yield found


def infer(site: Site, path: str) -> int:
    return site.call("POST", f"/v2/models/{path}/infer", INFER).status


def processes(site: Site) -> set[int]:
    return {part.pid for part in site.watch().parts if part.kind == "serving" and part.pid}


def test_ten_edits_in_five_seconds_lose_no_call_and_leave_nobody_behind(site: Site) -> None:
    key, pause = f"Bearer {site.key}", threading.Event()
    pids = processes(site)
    with (
        Hammer(site.port, "/v2/models/sums/infer", connections=3, body=INFER, authorization=key) as sums,
        Hammer(site.port, "/v2/models/sleepy/infer", connections=1, body=INFER, authorization=key) as sleepy,
    ):
        for edit in EDITS:
            site.write(edit)
            pause.wait(BETWEEN)
            pids |= processes(site)
        patient(lambda: infer(site, "sums/versions/last") == 200, waiting_for="the last edit")
        sums.wait_for(sums.answered + 20)
        sleepy.wait_for(sleepy.answered + 20)
    assert (sums.lost, sums.refused, sleepy.lost, sleepy.refused) == ([], 0, [], 0)
    patient(lambda: len(processes(site)) == 1, waiting_for="all others to go")
    (left,) = processes(site)
    patient(lambda: [pid for pid in pids if pid != left and alive(pid)] == [], waiting_for="their processes to end")
    assert infer(site, "extra") == 404


def test_a_sleeping_model_is_called_and_changed_at_once(site: Site) -> None:
    """Whoever calls it as it was reaches it as it becomes."""
    for rows in range(3, 5):
        patient(lambda: not [part for part in site.watch().parts if "sleepy-" in part.name], waiting_for="its sleep")
        with ThreadPoolExecutor(4) as threads:
            site.write(LAST.replace("1s}", f"1s}}, batching: {{max_rows: {rows}}}"))
            statuses = [threads.submit(infer, site, "sleepy") for _ in range(40)]
            assert {status.result() for status in statuses} == {200}
