"""Asks the workers of a run over their own Unix sockets; a worker that does not answer in time is simply missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from modelwright.core.errors.calls import CallError
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest
from modelwright.core.status import Busy

WITHIN = 1.0
RELOAD_WITHIN = 2.0
MOST = 64 << 20
"""Bytes of an answer."""


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """Which gateway workers answer by a snapshot already; the others come to it by themselves within a second."""

    confirmed: tuple[str, ...]
    unconfirmed: tuple[str, ...]


class _Serial(msgspec.Struct):
    serial: int


class Workers:
    """The sockets in a runtime directory, ours aside."""

    def __init__(self, runtime: Path, transport: Transport, *, own: str) -> None:
        self._runtime = runtime
        self._transport = transport
        self._own = own

    def names(self) -> list[str]:
        """Parts that have a socket."""
        return sorted(path.stem for path in self._runtime.glob("*.sock") if path.stem != self._own)

    async def metrics(self) -> dict[str, str | None]:
        """Each part's metrics in Prometheus' text format."""
        names = self.names()
        found = await self._all(names, "/metrics")
        return {
            name: None if body is None else body.decode(errors="replace")
            for name, body in zip(names, found, strict=True)
        }

    async def busy(self) -> dict[str, Busy]:
        """The numbers of the parts that answer."""
        names = self.names()
        found = zip(names, await self._all(names, "/status"), strict=True)
        return {name: busy for name, body in found if (busy := _decoded(body, Busy)) is not None}

    async def reload(self, serial: int) -> Reloaded:
        """Tell the gateway workers of a new snapshot and wait until they have taken it, not for long."""
        names = [name for name in self.names() if name.startswith("gateway-")]
        found = await asyncio.gather(*(self._ask(name, "POST", "/reload", within=RELOAD_WITHIN) for name in names))
        done = {name for name, body in zip(names, found, strict=True) if _taken(body, serial)}
        return Reloaded(
            confirmed=tuple(name for name in names if name in done),
            unconfirmed=tuple(name for name in names if name not in done),
        )

    async def _all(self, names: Sequence[str], target: str) -> list[bytes | None]:
        return await asyncio.gather(*(self._ask(name, "GET", target, within=WITHIN) for name in names))

    async def _ask(self, name: str, method: str, target: str, *, within: float) -> bytes | None:
        origin = Origin(scheme="unix", host=str(self._runtime / f"{name}.sock"))
        request = UpstreamRequest(origin=origin, method=method, target=target)
        try:
            async with asyncio.timeout(within):
                answer = await self._transport.send(request, Deadlines(connect=within, first_byte=within, idle=within))
                body = await answer.read(MOST)
        except (CallError, TimeoutError):
            return None
        return body if answer.status == 200 else None


def _decoded(body: bytes | None, kind: type[Busy]) -> Busy | None:
    try:
        return None if body is None else msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError:
        return None


def _taken(body: bytes | None, serial: int) -> bool:
    try:
        return body is not None and msgspec.json.decode(body, type=_Serial).serial >= serial
    except msgspec.MsgspecError:
        return False
