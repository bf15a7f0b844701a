"""What both sides are asked: as many tokens, another beginning each time, so that nothing is remembered."""

from __future__ import annotations

EOS = 0
PROMPT = 64
ANSWER = 96
"""Tokens."""
ANSWERS = 3
"""Of each stream, one after the other."""


def prompt(number: int) -> list[int]:
    """Token ids of one prompt."""
    return [1 + (number * 7919 + at * 104_729 * (1 + number % 13)) % 4000 for at in range(PROMPT)]
