"""A new version of a model while its site runs: it comes up beside the old one, takes over at once, and nobody notices.

S3 (SIGTERM loses requests and leaves orphans) holds here for every process that goes; S12 for every one that comes.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.e2e.clients import Hammer, patient
from tests.e2e.running import Site, alive, running
from tests.e2e.test_up import INFER

pytestmark = pytest.mark.e2e
SWITCHES = 6
TEXT = """
schema: 1
name: toys
models:
  sums: {source: ./scale-2.json, engine: {kind: toy-tensor, options: {load_ms: 20}}}
gateway: {workers: 2}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One model, whose versions multiply by 2 and by 3."""
    folder = tmp_path_factory.mktemp("switch")
    for scale in (2, 3):
        (folder / f"scale-{scale}.json").write_text(f'{{"toy": 1, "columns": 4, "scale": {scale}}}')
    (folder / "cut-short.json").write_text('{"toy": 1, "col')
    with running(TEXT, folder=folder) as found:
        yield found


def applied(site: Site, text: str) -> None:
    """Written, and in force."""
    before = len(site.lines)
    site.write(text)
    patient(lambda: said(site, "was applied without a restart", since=before))


def with_source(name: str) -> str:
    return TEXT.replace("scale-2.json", name)


def answers(site: Site) -> list[float]:
    reply = site.call("POST", "/v2/models/sums/infer", INFER)
    assert reply.status == 200, reply.body
    return next(output["data"] for output in reply.json()["outputs"] if output["name"] == "y")


def serving(site: Site) -> list[str]:
    return [part.name for part in site.watch().parts if part.kind == "serving"]


def said(site: Site, words: str, *, since: int) -> bool:
    return any(words in line for line in site.lines[since:])


def test_switches_under_load_fail_no_call_and_leave_one_process(site: Site) -> None:
    """S3: SIGTERM drains: nothing is lost and nobody stays behind; `make bench WHAT=reloads` does it 200 times."""
    pids = {part.pid for part in site.watch().parts if part.kind == "serving"}
    key = f"Bearer {site.key}"
    with Hammer(site.port, "/v2/models/sums/infer", connections=4, body=INFER, authorization=key) as hammer:
        for number in range(SWITCHES):
            scale = 3 - number % 2
            begun = hammer.answered
            site.write(with_source(f"scale-{scale}.json"))
            patient(lambda scale=scale: answers(site) == [scale * x for x in (1, 2, 3, 4)], waiting_for="the new one")
            pids |= {part.pid for part in site.watch().parts if part.kind == "serving"}
            hammer.wait_for(begun + 20)
    assert not hammer.lost
    assert not hammer.refused
    patient(lambda: len(serving(site)) == 1, waiting_for="the old one to go")
    (left,) = [part.pid for part in site.watch().parts if part.kind == "serving"]
    assert len(pids) > SWITCHES // 2
    patient(lambda: [pid for pid in pids if pid and alive(pid)] == [left], waiting_for="every other process to end")
    sockets = sorted(path.name for path in site.runtime.glob("serving-*.sock"))
    assert sockets == [f"{serving(site)[0]}.sock"]


def test_a_version_that_cannot_load_leaves_the_old_one_serving_and_is_told_of(site: Site) -> None:
    site.write(with_source("scale-2.json"))
    patient(lambda: answers(site) == [2, 4, 6, 8])
    patient(lambda: len(serving(site)) == 1)
    before, (kept,) = len(site.lines), serving(site)
    site.write(with_source("cut-short.json"))
    patient(lambda: said(site, "modelwright.yaml was not applied, the site runs as before: sums:", since=before))
    assert answers(site) == [2, 4, 6, 8]
    (bad,) = [part for part in site.status().parts if part.kind == "serving" and part.state == "broken"]
    assert bad.name != kept
    assert "the version before goes on serving" in bad.detail
    assert site.part(kept).state == "ready"

    before = len(site.lines)
    site.write(with_source("scale-3.json"))
    patient(lambda: said(site, "was applied without a restart", since=before))
    assert answers(site) == [3, 6, 9, 12]
    patient(lambda: all(part.state == "ready" for part in site.watch().parts), waiting_for="no word of the bad one")


def test_more_replicas_and_other_models_come_and_go_without_a_restart(site: Site) -> None:
    site.write(with_source("scale-3.json"))
    patient(lambda: len(serving(site)) == 1 and answers(site) == [3, 6, 9, 12])
    (kept,) = serving(site)
    pid = site.part(kept).pid
    more = (
        with_source("scale-3.json")
        .replace("load_ms: 20}}", "load_ms: 20}}, scale: {min: 2}")
        .replace("gateway:", "  thirds: {source: ./scale-3.json, engine: {kind: toy-tensor}}\ngateway:")
    )
    site.write(more)
    patient(lambda: site.call("POST", "/v2/models/thirds/infer", INFER).status == 200)
    assert sorted(serving(site)) == ["serving-sums-0", "serving-sums-1", "serving-thirds-0"]
    assert site.part(kept).pid == pid, "a replica that is as it was stays"
    site.write(with_source("scale-3.json"))
    patient(lambda: len(serving(site)) == 1, waiting_for="the others to go")
    assert site.call("POST", "/v2/models/thirds/infer", INFER).status == 404
    assert answers(site) == [3, 6, 9, 12]


def test_versions_side_by_side_are_reached_by_path_and_by_variant(site: Site) -> None:
    both = with_source("scale-2.json").replace(
        "scale-2.json,", "scale-2.json, versions: {v3: {source: ./scale-3.json}},"
    )
    applied(site, both + "endpoints: {sums: {variants: {old: {serve: sums, weight: 0}, new: {serve: sums@v3}}}}\n")
    assert answers(site) == [3, 6, 9, 12], "the variant of weight 1"
    for version, first in (("1", 2), ("v3", 3)):
        reply = site.call("POST", f"/v2/models/sums/versions/{version}/infer", INFER)
        assert (reply.json()["model_version"], reply.json()["outputs"][0]["data"][0]) == (version, first)
        assert site.call("GET", f"/v2/models/sums/versions/{version}/ready").status == 200
    assert site.call("POST", "/v2/models/sums/versions/v4/infer", INFER).status == 404
    assert site.call("GET", "/v2/models/sums").json()["versions"] == ["1", "v3"]
    assert {part.detail for part in site.watch().parts if part.kind == "serving"} == {
        "sums by toy-tensor",
        "sums@v3 by toy-tensor",
    }
    site.write(with_source("scale-2.json"))
    patient(lambda: len(serving(site)) == 1)
    assert site.call("GET", "/v2/models/sums").json()["versions"] == ["1"]


def test_a_call_that_runs_when_its_version_goes_is_answered_by_it(tmp_path: Path) -> None:
    """S3 once more, for a call that takes longer than the switch."""
    for scale in (2, 3):
        (tmp_path / f"scale-{scale}.json").write_text(f'{{"toy": 1, "columns": 4, "scale": {scale}}}')
    slow = TEXT.replace("load_ms: 20", "delay_ms: 1500")
    with running(slow, folder=tmp_path) as site:
        body = msgspec.json.encode({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1] * 4}]})
        key = f"Bearer {site.key}"
        with Hammer(site.port, "/v2/models/sums/infer", connections=2, body=body, authorization=key) as hammer:
            site.write(slow.replace("scale-2.json", "scale-3.json").replace("1500", "1"))
            patient(lambda: answers(site) == [3, 6, 9, 12])
        assert not hammer.lost
        patient(lambda: len(serving(site)) == 1)
