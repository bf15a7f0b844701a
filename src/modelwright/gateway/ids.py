"""Call ids: UUIDv7 (RFC 9562) as text, from a clock and buffered random bytes; it reads neither itself."""

from __future__ import annotations

from collections.abc import Callable

from modelwright.core.ports.clock import Clock

_DIGITS = 19
"""Random hex digits of one id: 3 of rand_a, one that becomes the variant, 15 of rand_b."""
_AT_ONCE = 128
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class CallIds:
    """Makes ids that sort by their millisecond; no two take the same random digits."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes]) -> None:
        """`random` gives so many unpredictable bytes, such as os.urandom."""
        self._now = clock.now
        self._random = random
        self._digits = ""
        self._at = 0
        self._millisecond = -1
        self._head = ""

    def __call__(self) -> str:
        """The next id."""
        millisecond = int(self._now() * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            time = f"{millisecond & 0xFFFF_FFFF_FFFF:012x}"
            self._head = f"{time[:8]}-{time[8:]}-7"
        at = self._at
        if at >= len(self._digits):
            self._digits = self._random(_DIGITS * _AT_ONCE).hex()
            at = 0
        self._at = at + _DIGITS
        digits = self._digits[at : at + _DIGITS]
        return f"{self._head}{digits[:3]}-{_VARIANT[digits[3]]}{digits[4:7]}-{digits[7:]}"
