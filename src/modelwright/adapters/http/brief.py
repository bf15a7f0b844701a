"""Recognises one whole POST request in a piece of bytes, without a parser; anything unusual it does not recognise.

For requests that are answered without being read: nobody acts on what is not looked at here.
"""

from __future__ import annotations

import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,9})\r\n")
_REQUEST_ID = re.compile(rb"\r\nx-request-id: *([!-~]{1,128})\r\n", re.IGNORECASE)
_LASTING = b"\r\nconnection: keep-alive\r\n"


def whole_post(data: bytes) -> tuple[str, bytes] | None:
    """Its target and the client's request id, if any; None for whatever else this is."""
    if not data.startswith(b"POST /"):
        return None
    end = data.find(b"\r\n\r\n")
    head = data[: end + 2]
    low = head.lower()
    lengths = _LENGTH.findall(low)
    if len(lengths) != 1 or low.count(b"content-length") != 1 or end + 4 + int(lengths[0]) != len(data):
        return None
    if b"\r\ntransfer-encoding" in low or b"\r\nexpect" in low or b"\r\nupgrade" in low:
        return None
    if b"\0" in low or b"\r\n " in low or b"\r\n\t" in low or low.count(b"\n") != low.count(b"\r\n"):
        return None
    if b"\r\nconnection" in low and (low.count(b"\r\nconnection") != 1 or _LASTING not in low):
        return None
    target, _, version = head[5 : head.index(b"\r\n")].partition(b" ")
    if version != b"HTTP/1.1" or not target.isascii():
        return None
    given = _REQUEST_ID.search(head)
    return target.decode("ascii"), given[1] if given else b""
