"""A client of the V2 door without a network: sends requests in pieces, may leave, keeps what it was told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from modelwright.serving.http_v2 import V2Door

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


async def ask(door: V2Door, content: bytes = b"", **more: Any) -> Told:
    return await Client(door, content).ask(**more)


async def queued(door: V2Door, rows: int) -> None:
    """Let the loop run until so many rows wait."""
    for _ in range(1000):
        if door.busy().queued >= rows:
            return
        await asyncio.sleep(0)
    raise AssertionError(door.busy())
