"""Lets the small writes of one turn of the event loop leave together, so that whoever waits for them is woken once.

Waking another process costs several microseconds, as much as a tenth of a call. It opens, closes and reads nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios

SMALL = 16 << 10
"""Larger pieces leave at once: joining hands would cost memory and help nobody."""
MOST = 16
"""Pieces that wait at most; the turn may be a long one."""


class Outbox:
    """Shared by the connections of one loop."""

    __slots__ = ("_held", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._held: list[tuple[asyncio.Transport, bytes]] = []

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write within this turn; pieces of one transport keep their order."""
        held = self._held
        if len(data) > SMALL:
            self.flush()
            transport.write(data)
            return
        if not held:
            self._loop.call_soon(self.flush)
        held.append((transport, data))
        if len(held) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Write what waits now; before a transport is closed, this must be said."""
        held, self._held = self._held, []
        for transport, data in held:
            if not transport.is_closing():
                transport.write(data)


def untaken(transport: asyncio.Transport) -> int:
    """Bytes that wait for the client here and, if there are any, those in the kernel, which takes ours in lumps."""
    waiting = transport.get_write_buffer_size()
    if not waiting:
        return 0
    in_kernel = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    return waiting + int.from_bytes(in_kernel, sys.byteorder)
