"""Other ways to read of a connection than through its parser: a large body into memory that stays, little at once.

Each is the protocol of the connection's transport for a time; all but the bytes is the connection's own business.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

SWALLOWED = 64 << 20
"""Bytes of a body that are read and thrown away once nobody wants it; past them we hang up."""
THROWN = 64 << 10
"""Bytes of them at once."""
SIP = 8 << 10
"""Bytes that are read at once of what may be a head before another large body."""


class Connection(Protocol):
    """Whose bytes they are."""

    def data_received(self, data: bytes) -> None: ...

    def on_body(self, data: bytes) -> None: ...

    def on_message_complete(self) -> None: ...

    def sipped(self) -> None:
        """A little was read, and handed over."""
        ...

    def filled(self) -> None:
        """The body has arrived."""
        ...

    def hang_up(self) -> None:
        """Close, and hear nothing more."""
        ...

    def eof_received(self) -> bool: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...


class _Reading(asyncio.BufferedProtocol):
    """What is not about bytes."""

    def __init__(self, connection: Connection, memory: memoryview) -> None:
        self._connection = connection
        self._memory = memory

    def eof_received(self) -> bool:
        return self._connection.eof_received()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._memory = memoryview(b"")
        self._connection.connection_lost(exc)


class Filling(_Reading):
    """Reads as many bytes as the memory has, and none behind them."""

    def __init__(self, connection: Connection, memory: memoryview) -> None:
        super().__init__(connection, memory)
        self._left = len(memory)
        self._thrown = 0
        self._wanted = True

    def give_up(self) -> None:
        """Nobody wants the memory any more; what is still to come is read and thrown away."""
        self._wanted = False
        self._memory = memoryview(bytearray(min(THROWN, self._left)))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._memory[: self._left]

    def buffer_updated(self, nbytes: int) -> None:
        self._left -= nbytes
        if self._wanted:
            self._memory = self._memory[nbytes:]
        else:
            self._thrown += nbytes
        if not self._left:
            self._connection.filled()
        elif self._thrown > SWALLOWED:
            self._connection.hang_up()


class Sipping(_Reading):
    """Reads little, so that little of the next large body has to be moved to where it stays."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, memoryview(bytearray(SIP)))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._memory

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(bytes(self._memory[:nbytes]))
        self._connection.sipped()


class OnlyBody:
    """What a parser tells that reads one body, whose head is known."""

    def __init__(self, connection: Connection) -> None:
        self.on_body = connection.on_body
        self.on_message_complete = connection.on_message_complete
