"""Call ids: UUIDv7 from a clock and buffered random bytes, since one system call per id would be felt."""

from __future__ import annotations

from collections.abc import Callable

from modelwright.core.ids import uuid7
from modelwright.core.ports.clock import Clock

_BYTES = 10
_AT_ONCE = 256


class CallIds:
    """Makes ids, each from random bytes of its own."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes]) -> None:
        """`random` gives so many unpredictable bytes, such as os.urandom."""
        self._now = clock.now
        self._random = random
        self._buffer = b""
        self._at = 0

    def __call__(self) -> str:
        """The next id."""
        if self._at >= len(self._buffer):
            self._buffer = self._random(_BYTES * _AT_ONCE)
            self._at = 0
        at = self._at
        self._at = at + _BYTES
        return uuid7(int(self._now() * 1000), self._buffer[at : at + _BYTES])
