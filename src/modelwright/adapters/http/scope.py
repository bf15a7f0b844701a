"""What an ASGI scope is made of: a request's target and a socket's address in the forms that ASGI wants."""

from __future__ import annotations

from typing import Any

import httptools

ASGI = {"version": "3.0", "spec_version": "2.3"}


def split_target(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target; raises httptools' error for what is none."""
    if url.startswith(b"/"):
        path, _, query = url.partition(b"?")
        return path, query
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""


def address(name: Any) -> tuple[str, int | None] | None:
    """Host and port, or a Unix socket's path and None."""
    if isinstance(name, tuple):
        return name[0], name[1]
    return (name, None) if isinstance(name, str) and name else None
