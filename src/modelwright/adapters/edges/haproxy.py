"""HAProxy while it runs: weights, addresses and drain by its runtime API, everything else by a reload.

Its worker has a socket of its own; that of its master leads to workers, too, that only finish their streams.
"""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from modelwright.adapters.edges.files import alone, read, write
from modelwright.adapters.edges.waiting import LOOK, until
from modelwright.core.addresses import split_address
from modelwright.core.deploying.edges import (
    HAPROXY_FILE,
    HAPROXY_MASTER,
    HAPROXY_SOCKET,
    Answered,
    Composed,
    Place,
    places_in,
)
from modelwright.core.deploying.front import Front, Server
from modelwright.core.errors.deploying import StepFailed

MOST = 10_000
"""Answers that are told at once."""
_ANSWER = 10.0
_NOBODY = "192.0.2.1"
"""An address for documents: stands in a place until the name of who comes there is looked up."""
_MAINT, _UNKNOWN = 1 | 2, 32
"""Bits of `srv_admin_state`: forced or inherited; because its name means no address."""
_WORKER = re.compile(r"^(\d+)\s+worker\s", re.MULTILINE)
_FAILED = re.compile(r"\[failed: (\d+)\]")


class _Now(msgspec.Struct, frozen=True):
    """A place, as it is."""

    host: str
    name: str
    port: int
    weight: int
    open: bool
    known: bool
    """Its name means an address."""


class HAProxyEdge:
    """Made with the folder that it shares with HAProxy, and with what makes a configuration for who had which place."""

    def __init__(self, folder: Path, compose: Callable[[Front, Sequence[Place]], Composed]) -> None:
        self._file = folder / HAPROXY_FILE
        self._worker, self._master = folder / HAPROXY_SOCKET, folder / HAPROXY_MASTER
        self._compose = compose

    async def configure(self, front: Front) -> None:
        async with alone(self._file.parent):
            before = read(self._file)
            composed = self._compose(front, places_in(before))
            if composed.text != before:
                write(self._file, composed.text)
            shape = await self._shape()
            if shape is None:
                return
            if shape != composed.shape:
                await self._reload(composed, before)
            await self._settle(composed.places)

    async def open_streams(self, workload: str, release: str) -> int:
        mine = {
            (f"route.{place.route}", place.name)
            for place in places_in(read(self._file))
            if place.server and (place.server.workload, place.server.release) == (workload, release)
        }
        rows = [
            row for stat in await self._of_all("show stat") for row in csv.DictReader(stat.lstrip("# ").splitlines())
        ]
        return sum(int(row["scur"] or 0) for row in rows if (row["pxname"], row["svname"]) in mine)

    async def seen(self, since: float) -> Sequence[Answered]:
        by = {(f"route.{place.route}", place.name): place.server for place in places_in(read(self._file))}
        lines = [line for events in await self._of_all("show events seen") for line in events.splitlines()]
        found = [one for one in (_answered(line, by) for line in lines) if one is not None and one.at >= since]
        return sorted(found, key=lambda one: one.at)[-MOST:]

    async def _shape(self) -> str | None:
        """Of what runs; None when nothing does."""
        for _ in range(2):
            try:
                info = await _ask(self._worker, "show info")
            except OSError:
                await asyncio.sleep(5 * LOOK)  # it may have read its file and not yet have opened its socket
                continue
            return next((line.partition(": ")[2] for line in info.splitlines() if line.startswith("description:")), "")
        return None

    async def _reload(self, composed: Composed, before: str) -> None:
        failed = await self._failed()
        await self._of_master("reload")

        async def done() -> bool:
            if await self._failed() > failed:
                write(self._file, before)
                raise StepFailed("HAProxy refuses its configuration", hint="see its log; a certificate may be bad")
            return await self._shape() == composed.shape

        await until(done, "HAProxy does not take over its configuration")

    async def _failed(self) -> int:
        found = _FAILED.search(await self._of_master("show proc"))
        return int(found[1]) if found else 0

    async def _settle(self, places: Sequence[Place]) -> None:
        """Whoever gains comes first, so that there is always somebody."""
        for place in sorted(places, key=lambda one: not one.weight):
            await self._place(place)
        off = [place for place in places if not _is_so(place, (await self._now()).get((place.route, place.name)))]
        if off:
            where = ", ".join(f"{place.route}/{place.name}" for place in off)
            raise StepFailed(f"HAProxy did not take what it was told of {where}", hint="see its log, then resume")

    async def _place(self, place: Place) -> None:
        where, now = f"route.{place.route}/{place.name}", (await self._now()).get((place.route, place.name))
        if now is None or _is_so(place, now):
            return
        server = place.server
        if server is not None and not _is_at(server, now):
            await _ask(self._worker, f"set server {where} state maint")
            await self._move(where, server)
        if server is not None and server.down:  # until it is seen to answer
            await _ask(self._worker, f"set server {where} health down")
        elif server is not None and place.weight and not _is_ip(server.address):
            await self._found(place, server)
        await _ask(self._worker, f"set server {where} weight {place.weight}")
        await _ask(self._worker, f"set server {where} state {'ready' if place.weight else 'maint'}")

    async def _move(self, where: str, server: Server) -> None:
        host, port = split_address(server.address)
        if _is_ip(server.address):
            await _ask(self._worker, f"set server {where} addr {host} port {port}")
        else:
            await _ask(self._worker, f"set server {where} addr {_NOBODY} port {port}")
            await _ask(self._worker, f"set server {where} fqdn {host}")

    async def _found(self, place: Place, server: Server) -> None:
        async def known() -> bool:
            now = (await self._now()).get((place.route, place.name))
            return now is not None and now.host not in {_NOBODY, "-"}

        await until(known, f"the name in {server.address!r} means no address to HAProxy")

    async def _now(self) -> dict[tuple[str, str], _Now]:
        table = (await _ask(self._worker, "show servers state")).splitlines()
        names = next((line.removeprefix("# ").split() for line in table if line.startswith("# ")), [])
        rows = [
            dict(zip(names, line.split(), strict=False)) for line in table if line.count(" ") > 3 and line[0] != "#"
        ]
        return {
            (row["be_name"].removeprefix("route."), row["srv_name"]): _Now(
                host=row["srv_addr"],
                name="" if row["srv_fqdn"] == "-" else row["srv_fqdn"],
                port=int(row["srv_port"]),
                weight=int(row["srv_uweight"]),
                open=not int(row["srv_admin_state"]) & _MAINT,
                known=not int(row["srv_admin_state"]) & _UNKNOWN,
            )
            for row in rows
        }

    async def _of_all(self, question: str) -> list[str]:
        """What the worker says, and those that only finish what they have; nothing when none runs."""
        if await self._shape() is None:
            return []
        workers = _WORKER.findall(await self._of_master("show proc"))
        return [await self._of_master(f"@!{pid} {question}") for pid in workers]

    async def _of_master(self, command: str) -> str:
        """It answers nobody for a moment, at its start and whenever it has reloaded."""
        answers: list[str] = []

        async def answered() -> bool:
            try:
                answers.append(await _ask(self._master, command))
            except OSError:
                return False
            return True

        await until(answered, "HAProxy's master does not answer on its socket")
        return answers[0]


async def _ask(socket: Path, command: str) -> str:
    """Raises OSError when nobody answers."""
    try:
        async with asyncio.timeout(_ANSWER):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(command.encode() + b"\n")
                writer.write_eof()
                return (await reader.read()).decode("utf-8", "replace")
            finally:
                writer.close()
    except TimeoutError:
        raise ConnectionError("HAProxy does not answer on its socket") from None


def _is_so(place: Place, now: _Now | None) -> bool:
    if now is None:
        return False
    server = place.server
    if server is not None and not _is_at(server, now):
        return False
    if not place.weight:
        return not (now.open and now.known)
    reached = server is None or server.down or (now.known and now.host != _NOBODY)
    return reached and now.open and now.weight == place.weight


def _is_at(server: Server, now: _Now) -> bool:
    host, port = split_address(server.address)
    return (now.host if _is_ip(server.address) else now.name) == host and now.port == port


def _is_ip(address: str) -> bool:
    host, _ = split_address(address)
    return ":" in host or host.replace(".", "").isdigit()


def _answered(line: str, by: Mapping[tuple[str, str], Server | None]) -> Answered | None:
    """None of a line that is about nobody who is there now."""
    match line.split():
        case [began, backend, place, status, ended, head, total]:
            server = by.get((backend, place))
            if server is None:
                return None
            return Answered(
                route=backend.removeprefix("route."),
                release=server.release,
                at=float(began) + int(total) / 1000,
                status=max(0, int(status)),
                whole=ended[0] not in "sS",
                first_ms=float(max(0, int(head))),
                total_ms=float(total),
            )
        case _:
            return None
