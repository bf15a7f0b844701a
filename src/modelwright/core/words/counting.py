"""How many of something, in words."""

from __future__ import annotations


def count_of(number: int, what: str) -> str:
    """`1 fault`, `2 faults`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
