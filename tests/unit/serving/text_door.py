"""What tests of text models share: doors over the toy engine, requests to them, and what a client would have got."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from modelwright.adapters.engines.toy_text import ToyTextEngine, byte_codec
from modelwright.core.ports.engines import EngineConfig
from modelwright.core.wire.sse import EventSplitter, event_data
from modelwright.serving.http_openai import OpenAIDoor, TextBounds

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
Make = Callable[..., Awaitable[OpenAIDoor]]


class Told:
    """What a client would have got."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.ended = False

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.body += message.get("body", b"")
        self.ended = not message.get("more_body", False)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def events(self) -> list[Any]:
        data = [event_data(event) for event in EventSplitter().push(self.body)]
        return [item.decode() if item == b"[DONE]" else msgspec.json.decode(item) for item in data]

    @property
    def text(self) -> str:
        return "".join(
            event["choices"][0]["delta"].get("content", "") for event in self.events[:-1] if event["choices"]
        )


async def _stays() -> dict[str, Any]:
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}


def _receiving(body: bytes, then: Any = _stays) -> Any:
    sent: list[bytes] = []

    async def receive() -> dict[str, Any]:
        if sent:
            return await then()
        sent.append(body)
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def post(door: OpenAIDoor, path: str, body: bytes, *, then: Any = _stays, method: str = "POST") -> Told:
    told = Told()
    scope = {"path": path, "method": method, "headers": [(b"content-length", b"%d" % len(body))]}
    await door.answer(scope, _receiving(body, then), told.send)
    return told


async def ask(door: OpenAIDoor, content: str, *, path: str = CHAT, then: Any = _stays, **fields: Any) -> Told:
    prompt = {"messages": [{"role": "user", "content": content}]} if path == CHAT else {"prompt": content}
    return await post(door, path, msgspec.json.encode({"model": "toy", **prompt, **fields}), then=then)


@asynccontextmanager
async def doors() -> AsyncIterator[Make]:
    """A way to make doors that are stopped at the end."""
    made: list[OpenAIDoor] = []

    async def started(*, queue: int = 100, max_sequences: int = 4, check: bytes = b"", **options: Any) -> OpenAIDoor:
        door = OpenAIDoor(
            ToyTextEngine(),
            EngineConfig(model="toy", path="", options=options),
            codec=byte_codec,
            bounds=TextBounds(max_sequences=max_sequences, queue=queue, max_body=1 << 20),
            check=check,
            on_lost=lambda _error: None,
        )
        made.append(door)
        await door.start()
        return door

    yield started
    for door in made:
        await door.stop()
