"""Unpacks compressed request bodies within a bound, so that a small body cannot become a large one unseen."""

from __future__ import annotations

import asyncio
import zlib

from modelwright.core.errors.calls import Malformed, TooLarge, Unprocessable

SMALL = 4 << 10
"""Bytes of a compressed body from which on it is unpacked on a thread: it may become a thousand times as much."""
_WINDOWS = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}
"""By content-encoding: what zlib calls the form (RFC 1952, RFC 1950)."""


def read_coding(value: bytes) -> bytes:
    """The content-encoding, empty for none; raises Unprocessable for one that is not taken."""
    coding = value.strip().lower()
    if coding == b"identity":
        return b""
    if coding not in _WINDOWS:
        raise Unprocessable(
            f"content-encoding {value[:40].decode('latin-1')!r} is not taken",
            hint="send gzip or deflate, or the body as it is",
            param="content-encoding",
        )
    return coding


async def unpacked(body: bytes, coding: bytes, *, limit: int) -> bytes:
    """As `unpack` does, on a thread if it takes long; without a coding the body is as it is."""
    if not coding:
        return body
    if len(body) < SMALL:
        return unpack(body, coding, limit=limit)
    return await asyncio.to_thread(unpack, body, coding, limit=limit)


def unpack(body: bytes, coding: bytes, *, limit: int) -> bytes:
    """The body as it was; raises TooLarge past `limit` bytes, and Malformed for what cannot be unpacked."""
    machine = zlib.decompressobj(_WINDOWS[coding])
    try:
        plain = machine.decompress(body, limit + 1)
    except zlib.error as error:
        raise _broken(coding, str(error)) from None
    if len(plain) > limit:
        raise TooLarge(
            f"the body is larger than {limit} bytes when it is unpacked", hint="send less, or raise gateway.max_body"
        )
    if not machine.eof:
        raise _broken(coding, "it ends too soon")
    if machine.unused_data:
        raise _broken(coding, f"{len(machine.unused_data)} bytes follow its end")
    return plain


def _broken(coding: bytes, problem: str) -> Malformed:
    return Malformed(
        f"the body is not {coding.decode()}: {problem}",
        hint="compress it whole, or send it without content-encoding",
        param="content-encoding",
    )
