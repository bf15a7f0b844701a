"""Asks gateway workers over their own sockets, whoever has the least to do; it knows no message."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.core.errors.calls import ModelUnavailable
from modelwright.core.errors.providers import ProviderUnreachable, UpstreamTruncated
from modelwright.core.ports.http import Deadlines, Headers, Origin, Transport, UpstreamRequest, UpstreamResponse

_PATIENT = Deadlines(connect=5.0, first_byte=86_400.0, idle=300.0)
"""How long a call may take is the gateway's business, and its client's."""


class Gateways:
    """The gateway workers of this host."""

    def __init__(self, transport: Transport, sockets: Sequence[str]) -> None:
        self._transport = transport
        self._origins = [Origin(scheme="unix", host=path) for path in sockets]
        self._busy = [0] * len(sockets)
        self._turn = 0

    async def ask(self, method: str, target: str, *, headers: Headers, body: bytes) -> UpstreamResponse:
        """The answer's head, whose body is read by the caller; raises CallError."""
        at = self._least()
        request = UpstreamRequest(
            origin=self._origins[at], method=method, target=target, headers=tuple(headers), body=body
        )
        self._busy[at] += 1
        try:
            return await self._transport.send(request, _PATIENT)
        except (ProviderUnreachable, UpstreamTruncated):
            raise ModelUnavailable(
                "the gateway was lost before it answered", hint="send it again", retry_after=1.0
            ) from None
        finally:
            self._busy[at] -= 1

    def _least(self) -> int:
        """Of those that are equally busy, each in turn."""
        self._turn += 1
        count = len(self._busy)
        return min(range(count), key=lambda at: (self._busy[at], (at - self._turn) % count))
