"""Small models that share a process: one socket, one crash, far less memory than a process each."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.clients import patient
from tests.e2e.running import Site, running
from tests.e2e.test_up import INFER
from tests.making.onnx_models import double

pytestmark = pytest.mark.e2e
MODELS = 50
TEXT = "schema: 1\nname: groups\nmodels:\n" + "".join(
    f"  m{number}: {{source: ./double.onnx, placement: {{group: small}}}}\n" for number in range(MODELS)
)
ALONE = "  alone: {source: ./double.onnx}\n"
BAD = "  bad: {source: ./cut-short.json, engine: {kind: toy-tensor}, placement: {group: small}}\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("groups")
    double(folder / "double.onnx")
    (folder / "cut-short.json").write_text('{"toy": 1, "col')
    with running(TEXT + ALONE + BAD, folder=folder, ready=False) as found:
        assert found.watch().ready
        patient(lambda: {infer(found, f"m{number}") for number in range(MODELS)} == {200}, waiting_for="all good ones")
        yield found


def infer(site: Site, model: str) -> int:
    return site.call("POST", f"/v2/models/{model}/infer", INFER).status


def test_fifty_models_share_a_process_and_its_memory(site: Site) -> None:
    assert {infer(site, f"m{number}") for number in range(MODELS)} == {200}
    patient(lambda: all(part.busy for part in site.status().parts), waiting_for="the numbers of all")
    assert sorted(part.name for part in site.watch().parts if part.kind == "serving") == [
        "serving-alone-0",
        "serving-small-0",
    ]
    busy = {part.name: part.busy for part in site.status().parts}
    group, one = busy["serving-small-0"], busy["serving-alone-0"]
    assert group is not None
    assert one is not None
    assert group.calls >= MODELS
    assert group.memory_mb < 5 * one.memory_mb, "fifty processes would have fifty times as much"
    assert site.call("GET", "/v2/models/m7").json()["name"] == "m7"


def test_a_model_of_a_group_that_cannot_be_loaded_harms_none_of_the_others(site: Site) -> None:
    assert infer(site, "bad") == 503
    assert "50 models; broken: " in site.part("serving-small-0").detail
    assert infer(site, "m0") == 200


def test_a_crash_hits_the_group_and_nobody_else(site: Site) -> None:
    alone, before = site.part("serving-alone-0"), site.part("serving-small-0")

    os.kill(before.pid, signal.SIGKILL)
    assert infer(site, "alone") == 200
    site.wait_for("serving-small-0", "ready", restarts=1)
    patient(lambda: infer(site, "m3") == 200)
    assert site.part("serving-alone-0") == alone
