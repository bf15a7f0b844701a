"""nginx while it runs: told by a file, which a hand beside it has it read anew; streams are counted by connections."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from modelwright.adapters.edges.files import alone, read, write
from modelwright.adapters.edges.waiting import until
from modelwright.core.addresses import split_address
from modelwright.core.deploying.edges import (
    NGINX_ASKED,
    NGINX_FILE,
    NGINX_LOG,
    NGINX_SOCKET,
    Answered,
    Composed,
    Place,
    places_in,
)
from modelwright.core.deploying.front import Front, Server
from modelwright.core.errors.deploying import StepFailed

MOST = 10_000
"""Answers that are told at once."""
_TAIL, _LARGEST = 4 << 20, 64 << 20
"""Bytes of the log that are looked at, and from which on it is emptied."""
_ESTABLISHED = "01"


class NginxEdge:
    """Made with the folder that it shares with nginx, and with what makes a configuration.

    What it has passed on is only written down while two releases share a route, which bounds its log.
    """

    def __init__(self, folder: Path, compose: Callable[[Front, Sequence[Place]], Composed]) -> None:
        self._folder = folder
        self._file = folder / NGINX_FILE
        self._compose = compose

    async def configure(self, front: Front) -> None:
        async with alone(self._folder):
            before = read(self._file)
            composed = self._compose(front, places_in(before))
            if composed.text != before:
                write(self._file, composed.text)
            shape = await self._shape()
            if shape is None or shape == composed.shape:
                return
            problem = await self._asked("take")
            if problem is not None and problem.rstrip().endswith("refused"):
                write(self._file, before)
                raise StepFailed(
                    f"nginx refuses its configuration: {problem}", hint="see to what it names, then resume"
                )

            async def taken() -> bool:
                return await self._shape() == composed.shape

            await until(taken, "nginx does not take over its configuration")

    async def open_streams(self, workload: str, release: str) -> int:
        servers = [place.server for place in places_in(read(self._file)) if place.server is not None]
        mine = [one for one in servers if (one.workload, one.release) == (workload, release)]
        reached = set().union(*[await _found(one) for one in mine]) if mine else set[tuple[str, int]]()
        table = await self._asked("count") if mine else None
        return sum(remote in reached for remote in _connected(table or ""))

    async def seen(self, since: float) -> Sequence[Answered]:
        by: dict[str, Server] = {}
        for place in places_in(read(self._file)):
            if place.server is not None:
                by |= {_joined(*each): place.server for each in await _found(place.server)}
        found = [_answered(line, by) for line in await asyncio.to_thread(self._tail)]
        return [one for one in found if one is not None and one.at >= since][-MOST:]

    def _tail(self) -> list[str]:
        log = self._folder / NGINX_LOG
        try:
            with log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return []
        if size > _LARGEST:
            with contextlib.suppress(OSError):
                os.truncate(log, 0)
        return lines

    async def _shape(self) -> str | None:
        """Of what runs; None when nothing does."""
        for _ in range(2):
            try:
                async with asyncio.timeout(10):
                    reader, writer = await asyncio.open_unix_connection(self._folder / NGINX_SOCKET)
                    try:
                        writer.write(b"GET / HTTP/1.0\r\n\r\n")
                        return (await reader.read()).rpartition(b"\n")[2].decode()
                    finally:
                        writer.close()
            except (OSError, TimeoutError):
                await asyncio.sleep(0.25)  # it may have read its file and not yet have opened its socket
        return None

    async def _asked(self, verb: str) -> str | None:
        """What its hand answers; None when nobody is there."""
        name = secrets.token_hex(8)
        try:
            hand = os.open(self._folder / NGINX_ASKED, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            os.write(hand, f"{verb} {name}\n".encode())
        finally:
            os.close(hand)
        answer = self._folder / f"answer.{name}"

        async def there() -> bool:
            return answer.exists()

        try:
            await until(there, "nothing beside nginx answers")
            return read(answer)
        finally:
            answer.unlink(missing_ok=True)


async def _found(server: Server) -> set[tuple[str, int]]:
    """Where it is now; nowhere when its name means nothing."""
    host, port = split_address(server.address)
    try:
        known = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {(str(ipaddress.ip_address(each[4][0])), port) for each in known}


def _connected(table: str) -> Iterator[tuple[str, int]]:
    """The far ends of connections in a table of the kernel's, /proc/net/tcp or tcp6."""
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == _ESTABLISHED:
            host, _, port = fields[2].partition(":")
            yield _address(host), int(port, 16)


def _address(digits: str) -> str:
    """Words of four bytes each, the last byte of each first."""
    raw = bytes.fromhex(digits)
    address = ipaddress.ip_address(b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4)))
    inside = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(inside or address)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _answered(line: str, by: dict[str, Server]) -> Answered | None:
    """None of a line that is about nobody who is there now."""
    words = line.replace(", ", ",").split(" ")
    if len(words) != 7:
        return None
    at, route, address, status, first, total, whole = words
    server = by.get(address.rpartition(",")[2])
    if server is None:
        return None
    first = first.rpartition(",")[2]
    first_ms = 0.0 if first == "-" else 1000 * float(first)
    return Answered(
        route=route.removeprefix("route."),
        release=server.release,
        at=float(at),
        status=int(status),
        whole=whole == "OK",
        first_ms=first_ms,
        total_ms=max(first_ms, 1000 * float(total)),
    )
