"""An engine's own server over the loopback address: asked whether it lives, for its numbers, and for an answer."""

from __future__ import annotations

from modelwright.core.errors.calls import CallError
from modelwright.core.ports.external.servers import ServerPlan
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest, UpstreamResponse
from modelwright.serving.external.told import Told, told_by

MOST_BYTES = 64 << 20
"""Of an answer that is no stream, and of metrics."""
_LOOK = Deadlines(connect=2.0, first_byte=10.0, idle=10.0)
_ANSWER = Deadlines(connect=5.0, first_byte=24 * 3600.0, idle=24 * 3600.0)
"""How long an answer may take is for the gateway to say, which closes its connection when that is over."""


class EngineServer:
    """One server."""

    def __init__(self, transport: Transport, plan: ServerPlan, *, port: int) -> None:
        self._transport = transport
        self._plan = plan
        self._origin = Origin(scheme="http", host="127.0.0.1", port=port)
        self._headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)
        if plan.key:
            self._headers += ((b"authorization", f"Bearer {plan.key}".encode()),)

    async def alive(self) -> bool:
        """Whether it says so."""
        try:
            status, _ = await self._get(self._plan.alive)
        except CallError:
            return False
        return status == 200

    async def told(self) -> Told | None:
        """Its numbers; None when it does not tell them."""
        if not self._plan.metrics:
            return None
        try:
            status, body = await self._get(self._plan.metrics)
            return told_by(body.decode(), self._plan.names) if status == 200 else None
        except (CallError, ValueError):
            return None

    async def post(self, path: str, body: bytes) -> UpstreamResponse:
        """Send a request and wait for the head of its answer; raises CallError."""
        request = UpstreamRequest(origin=self._origin, method="POST", target=path, headers=self._headers, body=body)
        return await self._transport.send(request, _ANSWER)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def _get(self, path: str) -> tuple[int, bytes]:
        request = UpstreamRequest(origin=self._origin, method="GET", target=path, headers=self._headers)
        response = await self._transport.send(request, _LOOK)
        return response.status, await response.read(MOST_BYTES)
