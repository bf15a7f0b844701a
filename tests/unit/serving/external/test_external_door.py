"""The door before an engine's own server: readiness, what is passed on, what is refused, and the server's end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.core.errors.providers import ProviderUnreachable
from modelwright.core.errors.starting import EngineEnded, StartError
from modelwright.core.ports.external.servers import MetricNames, ServerPlan
from modelwright.core.ports.http import UpstreamRequest
from modelwright.serving.external.door import ExternalBounds, ExternalDoor
from modelwright.serving.external.server import EngineServer
from tests.unit.serving.text_door import COMPLETIONS, Told

PLAN = ServerPlan(
    command=("engine",),
    prepare=(("engine", "create"),),
    alive="/health",
    model="inner",
    metrics="/metrics",
    names=MetricNames(running="r", waiting="w", cache="c", tokens_in="i", tokens_out="o"),
    key="k3y",
)
EVENTS = (b"content-type", b"text/event-stream")
JSON = (b"content-type", b"application/json")


class FakeProcess:
    """Lives until it is told to end."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, ...]] = []
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.stopped = False

    async def start(self, plan: ServerPlan) -> None:
        assert plan is PLAN

    async def run(self, plan: ServerPlan, command: tuple[str, ...]) -> None:
        self.ran.append(command)

    async def ended(self) -> str:
        return await asyncio.shield(self.end)

    async def stop(self) -> None:
        self.stopped = True


class World:
    """A door over a fake engine that answers by path."""

    def __init__(self, answers: dict[str, list[Scripted]], *, load_timeout: float = 30.0, most: int = 4) -> None:
        self.answers = answers
        self.asked: list[UpstreamRequest] = []
        self.process = FakeProcess()
        self.lost: list[BaseException] = []
        self.door = ExternalDoor(
            "m",
            PLAN,
            process=self.process,
            server=EngineServer(FakeTransport(self._answer), PLAN, port=1),
            bounds=ExternalBounds(max_sequences=most, queue=0, max_body=1000, load_timeout=load_timeout),
            check=b"",
            on_lost=self.lost.append,
        )

    def _answer(self, request: UpstreamRequest) -> Scripted:
        self.asked.append(request)
        known = self.answers[request.target]
        return known.pop(0) if len(known) > 1 else known[0]

    async def post(self, body: bytes = b'{"model":"m"}', path: str = COMPLETIONS) -> Told:
        told, sent = Told(), [body]

        async def receive() -> dict[str, Any]:
            if sent:
                return {"type": "http.request", "body": sent.pop(), "more_body": False}
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        await self.door.answer({"path": path, "method": "POST", "headers": []}, receive, told.send)
        return told


def _said(body: bytes = b"{}", status: int = 200) -> Scripted:
    return Scripted(status=status, headers=(JSON,), pieces=(body,))


AWAY = Scripted(error=ProviderUnreachable("not yet", hint=""))


async def test_ready_is_an_answer_and_not_a_sign_of_life() -> None:
    world = World(
        {"/health": [AWAY, _said(status=503), _said()], COMPLETIONS: [_said(status=503), _said(status=404), _said()],
         "/metrics": [_said(b"")]}
    )  # fmt: skip
    early = await world.post()
    assert (early.status, early.headers[b"retry-after"]) == (503, b"1")
    await world.door.start()
    assert world.process.ran == [("engine", "create")]
    assert [request.target for request in world.asked[:6]] == ["/health"] * 3 + [COMPLETIONS] * 3
    assert dict(world.asked[0].headers)[b"authorization"] == b"Bearer k3y"
    await world.door.stop()
    assert world.process.stopped


async def test_a_check_that_can_never_be_answered_is_final() -> None:
    world = World({"/health": [_said()], COMPLETIONS: [_said(b'{"error":{"message":"no template"}}', status=400)]})
    with pytest.raises(StartError, match="no template"):
        await world.door.start()


async def test_a_server_that_ends_or_does_not_come_up_may_be_started_again() -> None:
    world = World({"/health": [AWAY]})
    world.process.end.set_result("ended with status 3: no room")
    with pytest.raises(EngineEnded, match="no room"):
        await world.door.start()
    with pytest.raises(EngineEnded, match=r"within 0\.01 s"):
        await World({"/health": [AWAY]}, load_timeout=0.01).door.start()


@pytest.fixture
def ready() -> Callable[..., Any]:
    async def made(*answers: Scripted, **more: Any) -> World:
        metrics = _said(b"r 3\nw 2\nc 0.5\ni 10\no 20\n")
        world = World({"/health": [_said()], COMPLETIONS: [_said(), *answers], "/metrics": [metrics]}, **more)
        await world.door.start()
        return world

    return made


async def test_requests_and_answers_pass_as_they_are_but_for_the_model(ready: Any) -> None:
    world = await ready(_said(b'{"x":1}', status=422))
    told = await world.post(b'{"model":"m","weird":[1.0,"\\u00e9"]}')
    assert (told.status, told.json) == (422, {"x": 1})
    assert world.asked[-1].body == b'{"model":"inner","weird":[1.0,"\\u00e9"]}'


async def test_a_stream_passes_piece_by_piece(ready: Any) -> None:
    pieces = (b"data: {}\n\n", b"data: [DO", b"NE]\n\n")
    world = await ready(Scripted(headers=(EVENTS,), pieces=pieces))
    told = await world.post()
    assert told.body == b"".join(pieces)
    assert told.ended


async def test_a_stream_that_breaks_ends_with_an_error(ready: Any) -> None:
    world = await ready(Scripted(headers=(EVENTS,), pieces=(b"data: {}\n\n",), whole=False))
    told = await world.post()
    assert told.events[-1]["error"]["code"] == "model_unavailable"
    assert world.door.busy().errors == 1


@pytest.mark.parametrize("answer", [AWAY, Scripted(headers=(JSON,), pieces=(b"{",), whole=False)])
async def test_a_server_that_is_away_is_a_retryable_error(ready: Any, answer: Scripted) -> None:
    told = await (await ready(answer)).post()
    assert (told.status, told.headers[b"retry-after"]) == (503, b"1")
    assert told.json["error"]["code"] == "model_unavailable"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff"])
async def test_what_is_no_json_object_is_malformed(ready: Any, body: bytes) -> None:
    told = await (await ready(_said())).post(body)
    assert (told.status, told.json["error"]["code"]) == (400, "malformed")


async def test_more_than_may_be_under_way_are_refused(ready: Any) -> None:
    world = await ready(Scripted(headers=(JSON,), pieces=(b"{}",), before_head=0.05), most=2)
    answers = await asyncio.gather(*(world.post() for _ in range(5)))
    assert sorted(told.status for told in answers) == [200, 200, 429, 429, 429]


async def test_its_numbers_are_told_in_our_words(ready: Any) -> None:
    world = await ready(_said())
    async with asyncio.timeout(10):
        while world.door.busy().queued != 2:  # noqa: ASYNC110 - the door looks now and then
            await asyncio.sleep(0.01)
    values = {
        (sample.name.removeprefix("modelwright_serving_"), *sorted(sample.labels.values())): sample.value
        for family in world.door.collect()
        for sample in family.samples
    }
    assert values["sequences", "m", "running"] == 3
    assert values["sequences", "m", "waiting"] == 2
    assert values["kv_usage_ratio", "m"] == 0.5
    assert (values["tokens_total", "input", "m"], values["tokens_total", "m", "output"]) == (10, 20)


async def test_its_end_is_told_once_and_ends_the_worker(ready: Any) -> None:
    world = await ready(_said())
    world.process.end.set_result("killed by signal 9")
    async with asyncio.timeout(10):
        while not world.lost:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)
    assert [str(error) for error in world.lost] == ["the server of m killed by signal 9 (see the part's log)"]
    assert (await world.post()).status == 503


async def test_models_and_other_paths(ready: Any) -> None:
    world = await ready(_said())
    told = Told()
    await world.door.answer({"path": "/v1/models", "method": "GET", "headers": []}, _never, told.send)
    assert msgspec.json.decode(told.body)["data"][0]["id"] == "m"
    assert (await world.post(path="/slots")).status == 404


async def _never() -> dict[str, Any]:
    raise AssertionError("nobody reads")
