"""The gRPC door's process: opens the port that the supervisor holds for it, and answers health on its own socket."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from modelwright.app.lifecycle import start_worker
from modelwright.app.parts import Notice, PartSpec
from modelwright.app.wiring.grpc import GrpcParts
from modelwright.core.errors.starting import StartError

_JSON = b"application/json"


class GrpcWorker:
    """In front of the gateway workers of this host."""

    def __init__(self, spec: PartSpec) -> None:
        """Raises StartError for a spec of another part."""
        if spec.grpc is None:
            raise StartError(f"the spec of {spec.name} says nothing of a gRPC door", hint="start `modelwright up`")
        self._spec = spec
        self._part = spec.grpc
        self._parts: GrpcParts | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._ready = False

    async def asgi(self, scope: Any, _receive: Any, send: Any) -> None:
        match scope["path"]:
            case "/healthz":
                await _answer(send, 200, b"{}")
            case "/readyz":
                await _answer(send, 200 if self._ready else 503, b"{}")
            case "/status" if self._parts is not None:
                await _answer(send, 200, msgspec.json.encode(self._parts.busy()))
            case "/metrics" if self._parts is not None:
                await _answer(send, 200, self._parts.metrics.text(), kind=CONTENT_TYPE_LATEST.encode())
            case _:
                await _answer(send, 404, b"{}")

    async def start(self) -> Notice:
        self._parts = parts = GrpcParts(self._spec, self._part)
        address = self._spec.addresses["grpc"]
        try:
            parts.server.add_insecure_port(address)
        except RuntimeError as error:
            raise StartError(
                f"{address} cannot be opened: {error}", place="gateway.grpc", hint="choose another port"
            ) from None
        await parts.server.start()
        self._ready = True
        return Notice(state="ready", detail=address)

    def drain(self) -> None:
        """No new call is taken from now on; those under way are finished."""
        self._ready = False
        if self._parts is not None and self._stopping is None:
            self._parts.service.drain()
            self._stopping = asyncio.ensure_future(self._parts.server.stop(self._spec.grace))

    async def stop(self) -> None:
        self.drain()
        if self._stopping is not None:
            await self._stopping
        if self._parts is not None:
            await self._parts.close()


async def _answer(send: Any, status: int, body: bytes, *, kind: bytes = _JSON) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    sys.exit(start_worker(sys.argv, GrpcWorker))
