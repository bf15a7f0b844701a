"""The public door's description, for programs and for people; both files are written by docs/generate.py."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from modelwright.gateway.call import HeaderPairs, Reply

_FILES = {"openapi": ("openapi.json", b"application/json"), "docs": ("docs.html", b"text/html; charset=utf-8")}
_POLICY = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
"""The page needs nothing but itself, and no script."""


def described(view: str) -> Reply:
    """`openapi` or `docs`."""
    headers, body = _read(view)
    return Reply(200, headers=[*headers], body=body)


@cache
def _read(view: str) -> tuple[HeaderPairs, bytes]:
    name, kind = _FILES[view]
    headers = [(b"content-type", kind), (b"x-content-type-options", b"nosniff"), _POLICY]
    return headers, Path(__file__).with_name(name).read_bytes()
