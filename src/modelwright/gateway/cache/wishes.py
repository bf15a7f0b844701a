"""The request's `cache-control`: what a client wants of the cache; words that we do not know are ignored."""

from __future__ import annotations

import math

import msgspec


class Wishes(msgspec.Struct, frozen=True):
    """Of one call."""

    no_store: bool = False
    """Neither look nor keep."""
    no_cache: bool = False
    """Do not look; keep the new answer."""
    max_age: float = math.inf
    """Seconds that an answer may be old."""


NONE = Wishes()
LONGEST = 1024
"""Bytes of the header."""


def read_wishes(header: bytes | None) -> Wishes:
    """What `no-store`, `no-cache` and `max-age=N` ask for; what is too long to be read may ask for anything."""
    if header is None:
        return NONE
    if len(header) > LONGEST:
        return Wishes(no_store=True)
    no_store, no_cache, max_age = False, False, math.inf
    for word in header.decode("latin-1").lower().split(","):
        name, _, value = word.strip().partition("=")
        match name.strip():
            case "no-store":
                no_store = True
            case "no-cache":
                no_cache = True
            case "max-age":
                seconds = value.strip().strip('"')
                if seconds.isascii() and seconds.isdigit():
                    max_age = min(max_age, float(seconds[:12]))
            case _:
                pass
    return Wishes(no_store, no_cache, max_age)
