"""Runs of characters of one kind, looked for in bytes: a quick no where a slower look would find nothing either."""

from __future__ import annotations

_IN, _OUT = b"x", b" "


def narrow(text: str) -> bytes:
    """A byte for each character, so that places stay; what is not ASCII is a question mark."""
    return text.encode("ascii", "replace")


class Run:
    """So many characters in a row, all of one kind."""

    __slots__ = ("_kind", "_least")

    def __init__(self, kind: str, least: int) -> None:
        """`kind`: ASCII characters, without the question mark."""
        self._kind = table({kind: "x"})
        self._least = _IN * least

    def seen(self, text: bytes) -> bool:
        """Whether a narrow text has such a run."""
        return self._least in text.translate(self._kind)

    def first(self, text: bytes, start: int) -> int:
        """Where the first such run begins from there on; -1 where there is none."""
        return text.translate(self._kind).find(self._least, start)

    def each(self, text: bytes, start: int) -> list[tuple[int, int]]:
        """Where such runs begin and end from there on, as long as they are."""
        marked = text.translate(self._kind)
        runs: list[tuple[int, int]] = []
        at = marked.find(self._least, start)
        while at >= 0:
            end = marked.find(_OUT, at)
            end = end if end >= 0 else len(marked)
            runs.append((at, end))
            at = marked.find(self._least, end)
        return runs


def table(kinds: dict[str, str]) -> bytes:
    """For `bytes.translate`: every character of a kind becomes that kind's sign, every other one a blank."""
    signs = {ord(letter): ord(sign) for letters, sign in kinds.items() for letter in letters}
    return bytes(signs.get(code, ord(" ")) for code in range(256))
