"""A server for names, as an engine has one for its networks: small, on loopback, told who is where."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any


class Names(asyncio.DatagramProtocol):
    """Answers questions for IPv4 addresses (RFC 1035), and says of others that there is nobody."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.address = ""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels, at = list[str](), 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        question, kind = data[12 : at + 5], data[at + 1 : at + 3]
        found = self.known.get(".".join(labels).lower())
        there = found is not None and kind == b"\0\1"
        code = b"\x81\x80" if found else b"\x81\x83"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(found) if found and there else b""
        counts = b"\0\1" + (b"\0\1" if there else b"\0\0") + b"\0\0\0\0"
        self._transport.sendto(data[:2] + code + counts + question + answer, addr)


@contextlib.asynccontextmanager
async def names() -> AsyncIterator[Names]:
    """On a free port."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(Names, ("127.0.0.1", 0))
    server.address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    try:
        yield server
    finally:
        transport.close()
