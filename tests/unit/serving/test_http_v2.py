"""The V2 door over the toy engine: paths, envelopes, warm-up, bounds, clients that leave."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from modelwright.core.contracts.events import Event
from modelwright.core.errors import BadModelFile, StartError
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import Array, EngineConfig
from modelwright.serving.batching import Limits
from modelwright.serving.http_v2 import TensorModel, V2Door
from tests.unit.serving.machines import POISON, GatedToy, NotedToy, toy_config

INFER = "/v2/models/toy/infer"


def body(*values: float, **more: Any) -> bytes:
    shape = [len(values), 2]
    data = [[value, 0] for value in values]
    return msgspec.json.encode({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": data}], **more})


class Told:
    """What a client would have got."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> str:
        assert set(self.json) == {"error"}
        return self.json["error"]

    def first_column(self) -> list[float]:
        return self.json["outputs"][0]["data"][::2]


class Client:
    """Sends one request, in pieces if need be, and may leave."""

    def __init__(self, door: V2Door, *pieces: bytes) -> None:
        self._door = door
        self._pieces = list(pieces) or [b""]
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def ask(self, method: str = "POST", path: str = INFER, *, headers: dict[str, str] | None = None) -> Told:
        told = Told()
        sent = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "headers": sent}
        await self._door.answer(scope, self.receive, told.send)
        return told


Make = Callable[..., Awaitable[V2Door]]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    doors: list[V2Door] = []

    async def made(engine: NotedToy | None = None, *, start: bool = True, **more: Any) -> V2Door:
        config: EngineConfig = more.pop("config", None) or toy_config(tmp_path)
        clock: ManualClock = more.pop("clock", None) or ManualClock()
        model = TensorModel(config=config, engine="toy-tensor", **more)
        told: list[Event] = []
        door = V2Door(model, engine or NotedToy(), clock=clock, tell=told.append)
        doors.append(door)
        if start:
            await door.start()
        return door

    yield made
    for door in doors:
        await door.stop()


async def ask(door: V2Door, content: bytes = b"", **more: Any) -> Told:
    return await Client(door, content).ask(**more)


async def queued(door: V2Door, rows: int) -> None:
    """Let the loop run until so many rows wait."""
    for _ in range(1000):
        if door.busy().queued >= rows:
            return
        await asyncio.sleep(0)
    raise AssertionError(door.busy())


async def test_inference(make: Make) -> None:
    told = await ask(await make(), body(1, 2, id="a"))
    assert told.status == 200
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
    assert server["extensions"] == ["binary_tensor_data", "parameters"]
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
        (body(1, outputs=[{"name": "y", "parameters": {"classification": 1}}]), {}, 422, "classification"),
        (body(1), {"inference-header-content-length": "x"}, 400, "not a number"),
        (body(1), {"inference-header-content-length": "9999"}, 400, "but the body has"),
        (body(1), {"content-encoding": "gzip"}, 422, "compressed bodies are not taken"),
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


async def test_flood_is_refused_with_the_time_to_wait(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock, limits=Limits(max_rows=2, queue_rows=4))
    engine.gate.clear()
    engine.entered.clear()
    asked = [asyncio.ensure_future(ask(door, body(value))) for value in range(20)]
    await asyncio.sleep(0)
    refused = await ask(door, body(99))
    assert refused.status == 429
    assert int(refused.headers[b"retry-after"]) >= 1
    engine.gate.set()
    answers = await asyncio.gather(*asked)
    assert {told.status for told in answers} == {200, 429}
    assert [told.first_column() for told in answers[:4]] == [[0], [2], [4], [6]]
    assert 99 not in engine.computed


async def test_bodies_on_their_way_count_as_waiting(make: Make) -> None:
    door = await make(limits=Limits(queue_bytes=1000))
    slow = Client(door, b"x")
    slow._pieces = []
    waiting = asyncio.ensure_future(slow.ask(headers={"content-length": "900"}))
    await asyncio.sleep(0)
    assert (await ask(door, body(1), headers={"content-length": "200"})).status == 429
    slow.left.set()
    assert (await waiting).status == 499
    assert (await ask(door, body(1), headers={"content-length": "200"})).status == 200


async def test_body_of_unknown_length_counts_as_the_largest(make: Make) -> None:
    door = await make(limits=Limits(queue_bytes=1000), max_body=600)
    slow = Client(door)
    slow._pieces = []
    waiting = asyncio.ensure_future(slow.ask())
    await asyncio.sleep(0)
    assert (await ask(door, body(1), headers={"content-length": "500"})).status == 429
    assert (await ask(door, body(1), headers={"content-length": "300"})).status == 200
    slow.left.set()
    assert (await waiting).status == 499


async def test_body_that_never_fits_is_too_large_not_too_much_at_once(make: Make) -> None:
    door = await make(limits=Limits(queue_bytes=1000))
    assert (await ask(door, b"", headers={"content-length": "1001"})).status == 413


async def test_client_that_leaves_is_not_computed_for(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock, limits=Limits(max_rows=1))
    engine.gate.clear()
    engine.entered.clear()
    first = asyncio.ensure_future(ask(door, body(1)))
    await asyncio.to_thread(engine.entered.wait, 30)
    leaving = Client(door, body(2))
    left = asyncio.ensure_future(leaving.ask())
    stays = asyncio.ensure_future(ask(door, body(3)))
    await queued(door, 2)
    leaving.left.set()
    assert (await left).status == 499
    engine.gate.set()
    assert (await first).first_column() == [2]
    assert (await stays).first_column() == [6]
    assert 2 not in engine.computed


async def test_cancelled_request_is_not_computed(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock, limits=Limits(max_rows=1))
    engine.gate.clear()
    engine.entered.clear()
    first = asyncio.ensure_future(ask(door, body(1)))
    await asyncio.to_thread(engine.entered.wait, 30)
    gone = asyncio.ensure_future(ask(door, body(2)))
    await queued(door, 1)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    engine.gate.set()
    assert (await first).status == 200
    assert 2 not in engine.computed
    assert door.busy().in_flight == 0


async def test_timeout_of_a_request_is_kept(make: Make) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    door = await make(engine, clock=clock)
    engine.gate.clear()
    engine.entered.clear()
    first = asyncio.ensure_future(ask(door, body(1)))
    await asyncio.to_thread(engine.entered.wait, 30)
    late = asyncio.ensure_future(ask(door, body(2, parameters={"timeout": 1_000_000})))
    await queued(door, 1)
    clock.advance(2.0)
    engine.gate.set()
    told = await late
    assert (told.status, (await first).status) == (429, 200)
    assert "timeout" in told.error
    assert 2 not in engine.computed


@pytest.mark.parametrize("value", [1.0, POISON], ids=["answered", "failed"])
async def test_request_is_freed_with_its_answer(make: Make, value: float) -> None:
    """Without the garbage collector: large bodies would pile up until it comes."""
    kept: list[weakref.ref[Any]] = []

    class Watched(NotedToy):
        def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            kept.append(weakref.ref(inputs["x"]))
            return super().predict(inputs)

    door = await make(Watched())
    kept.clear()
    gc.disable()
    try:
        told = await ask(door, body(value))
        assert told.status == (500 if value == POISON else 200)
        assert kept
        assert [ref() for ref in kept] == [None] * len(kept)
    finally:
        gc.enable()


async def test_defect_of_ours_answers_one_request_with_500(make: Make) -> None:
    class Odd(NotedToy):
        def predict(self, inputs: Any) -> Any:
            outputs = super().predict(inputs)
            return {} if 7 in self.seen[-1] else outputs

    door = await make(Odd())
    told = await ask(door, body(7))
    assert (told.status, told.error) == (500, "an internal error (see the worker's log)")
    assert (await ask(door, body(1))).status == 200


async def test_metrics_tell_rows_and_batches(make: Make) -> None:
    door = await make()
    registry = CollectorRegistry()
    registry.register(door)
    await ask(door, body(1, 2, 3))
    await ask(door, b"{")
    text = generate_latest(registry).decode()
    for line in (
        'modelwright_serving_requests_total{model="toy"} 2.0',
        'modelwright_serving_request_errors_total{model="toy"} 1.0',
        'modelwright_serving_queue_rows{model="toy"} 0.0',
        'modelwright_serving_batch_rows_bucket{le="+Inf",model="toy"}',
    ):
        assert line in text
