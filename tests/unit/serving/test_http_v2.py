"""The V2 door over the toy engine: paths, envelopes, readiness and the warm-up."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig
from modelwright.core.wire.v2 import MACHINE_HEADER
from modelwright.serving.batching import Limits
from tests.unit.serving.machines import POISON, GatedToy, NotedToy
from tests.unit.serving.v2_client import INFER, Client, Make, ask, body


async def test_inference(make: Make) -> None:
    told = await ask(await make(), body(1, 2, id="a"))
    assert told.status == 200
    assert told.headers.pop(MACHINE_HEADER).isdigit()
    assert told.headers == {b"content-type": b"application/json", b"content-length": b"%d" % len(told.body)}
    assert told.json == {
        "model_name": "toy",
        "model_version": "1",
        "id": "a",
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [2, 0, 4, 0]},
            {"name": "total", "datatype": "FP32", "shape": [2], "data": [1, 2]},
        ],
    }


async def test_inference_by_version_and_in_pieces(make: Make) -> None:
    door, content = await make(), body(3)
    told = await Client(door, content[:10], content[10:40], content[40:], b"").ask(
        path="/v2/models/toy/versions/1/infer"
    )
    assert told.first_column() == [6]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/toy/ready", {"name": "toy", "ready": True}),
        ("/v2/models/toy/versions/1/ready", {"name": "toy", "ready": True}),
    ],
)
async def test_health(make: Make, path: str, answer: Any) -> None:
    told = await ask(await make(), method="GET", path=path)
    assert (told.status, told.json) == (200, answer)


async def test_metadata_of_server_and_model(make: Make) -> None:
    door = await make(digest="sha256:00")
    server = (await ask(door, method="GET", path="/v2")).json
    assert server["name"] == "modelwright"
    assert server["extensions"] == [
        "binary_tensor_data",
        "classification",
        "model_configuration",
        "parameters",
        "statistics",
    ]
    for path in ("/v2/models/toy", "/v2/models/toy/versions/1"):
        assert (await ask(door, method="GET", path=path)).json == {
            "name": "toy",
            "versions": ["1"],
            "platform": "modelwright_toy",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
            "outputs": [
                {"name": "y", "datatype": "FP32", "shape": [-1, 2]},
                {"name": "total", "datatype": "FP32", "shape": [-1]},
            ],
            "parameters": {"engine": "toy-tensor", "digest": "sha256:00", "max_rows": 32, "precision": "f32"},
        }


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v2/models/other", 404, "model 'other' is not here"),
        ("POST", "/v2/models/other/infer", 404, "this worker serves 'toy'"),
        ("GET", "/v2/models/toy/versions/2", 404, "has no version '2'"),
        ("POST", "/v2/models/toy/versions/2/infer", 404, "its version is '1'"),
        ("GET", INFER, 405, "use POST"),
        ("DELETE", "/v2/models/toy", 405, "use GET"),
        ("POST", "/v2/health/live", 405, "use GET"),
        ("POST", "/v1/chat/completions", 404, "no path of the V2 protocol"),
        ("GET", "/v2/models/toy/", 404, "no path of the V2 protocol"),
        ("GET", "/v2/models/" + "x" * 5000, 404, "is not here"),
    ],
)
async def test_wrong_path_is_named(make: Make, method: str, path: str, status: int, words: str) -> None:
    told = await ask(await make(), method=method, path=path)
    assert told.status == status
    assert words in told.error
    assert len(told.body) < 500


@pytest.mark.parametrize(
    ("content", "headers", "status", "words"),
    [
        (b"{", {}, 400, "not valid JSON"),
        (b'{"inputs":[]}', {}, 400, "input 'x' is missing"),
        (body(1, outputs=[{"name": "z"}]), {}, 400, "output 'z'"),
        (body(1, outputs=[{"name": "y", "parameters": {"classification": -1}}]), {}, 400, "no number of classes"),
        (body(1), {"inference-header-content-length": "x"}, 400, "not a number"),
        (body(1), {"inference-header-content-length": "9999"}, 400, "but the body has"),
        (body(1), {"content-encoding": "br"}, 422, "content-encoding 'br' is not taken (send gzip or deflate"),
        (body(1), {"content-encoding": "gzip"}, 400, "the body is not gzip"),
        (b"x" * 2001, {}, 413, "larger than 2000 bytes"),
        (body(1), {"content-length": "2001"}, 413, "larger than 2000 bytes"),
        (body(*range(9)), {}, 400, "has 9 rows, at most 8"),
        (body(POISON), {}, 500, "poison"),
    ],
)
async def test_bad_request_is_named(
    make: Make, content: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    engine = NotedToy()
    door = await make(engine, max_body=2000, limits=Limits(queue_rows=8))
    engine.seen.clear()
    told = await ask(door, content, headers=headers)
    assert told.status == status
    assert words in told.error
    assert bool(engine.seen) == (status == 500)
    assert (await ask(door, body(2))).first_column() == [4]
    assert (door.busy().calls, door.busy().errors, door.busy().in_flight) == (2, 1, 0)


async def test_body_that_grows_past_the_limit_is_refused(make: Make) -> None:
    told = await Client(await make(max_body=100), b"x" * 60, b"x" * 60, b"x").ask()
    assert told.status == 413


async def test_everything_but_liveness_waits_for_the_model(make: Make) -> None:
    door = await make(start=False)
    for method, path in [("POST", INFER), ("GET", "/v2/health/ready"), ("GET", "/v2/models/toy")]:
        told = await ask(door, body(1), method=method, path=path)
        assert (told.status, told.headers[b"retry-after"]) == (503, b"1")
        assert "still loading" in told.error
    assert (await ask(door, method="GET", path="/v2/health/live")).status == 200


async def test_not_ready_until_the_check_is_answered(make: Make) -> None:
    engine = GatedToy()
    engine.gate.clear()
    door = await make(engine, start=False, check=body(5))
    starting = asyncio.ensure_future(door.start())
    await asyncio.to_thread(engine.entered.wait, 30)
    assert (await ask(door, body(1))).status == 503
    engine.gate.set()
    took = await starting
    assert took.load_ms >= 0
    assert engine.computed[0] == 5
    assert (await ask(door, body(1))).status == 200


async def test_warm_up_without_check_is_a_row_of_zeros(make: Make) -> None:
    engine = NotedToy()
    await make(engine)
    assert set(engine.computed) == {0.0}


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (body(POISON), "poison"),
        (b"no json", "not valid JSON"),
        (b'{"inputs":[]}', "input 'x' is missing"),
        (body(1, outputs=[{"name": "z"}]), "output 'z' is not one of the model's"),
    ],
)
async def test_check_that_is_not_answered_fails_the_start(make: Make, check: bytes, words: str) -> None:
    door = await make(start=False, check=check)
    with pytest.raises(StartError, match="its check request was not answered") as caught:
        await door.start()
    assert words in str(caught.value)
    assert caught.value.hint
    assert (await ask(door, body(1))).status == 503


async def test_file_that_is_no_model_fails_the_start(make: Make, tmp_path: Path) -> None:
    door = await make(start=False, config=EngineConfig(model="toy", path=str(tmp_path / "none")))
    with pytest.raises(BadModelFile, match="none"):
        await door.start()
