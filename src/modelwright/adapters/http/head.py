"""Writes the head of a request; the part that depends on where it goes is made once and kept."""

from __future__ import annotations

import ipaddress
import re

from modelwright.core.ports.http import Origin, UpstreamRequest

KEPT = 1024
"""Different (origin, method, target) whose first lines are kept; past it all are forgotten and made anew."""

_OWN = frozenset({b"host", b"content-length", b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
_METHOD = re.compile(r"[A-Z]+")
_TARGET = re.compile(r"[!-~]+")
_PORTS = {"http": 80, "https": 443}
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


class RequestHeads:
    """Heads of requests as bytes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Origin, str, str], bytes] = {}

    @property
    def kept(self) -> int:
        """How many first lines are kept."""
        return len(self._kept)

    def encode(self, request: UpstreamRequest) -> bytes:
        """The head with its empty line; ValueError when a part of it would break the line structure.

        Headers that frame the message (`Host`, `Content-Length`, `Connection` and the like) are the client's own:
        those of the request are left out.
        """
        start = self._kept.get((request.origin, request.method, request.target)) or self._start(request)
        parts = [start]
        lines = 3
        for name, value in request.headers:
            if name not in _OWN:
                parts += (name, b": ", value, b"\r\n")
                lines += 1
        if request.body or request.method not in _BODILESS:
            parts.append(b"content-length: %d\r\n\r\n" % len(request.body))
            lines += 1
        else:
            parts.append(b"\r\n")
        head = b"".join(parts)
        if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
            raise ValueError("a header of the request holds a line break or a NUL byte")
        return head

    def _start(self, request: UpstreamRequest) -> bytes:
        if not _METHOD.fullmatch(request.method):
            raise ValueError(f"no HTTP method: {request.method!r}")
        if not _TARGET.fullmatch(request.target) or not request.target.startswith("/"):
            raise ValueError(
                "the target of a request begins with '/' and holds no blank, control or non-ASCII character"
            )
        start = f"{request.method} {request.target} HTTP/1.1\r\nhost: {_authority(request.origin)}\r\n".encode("ascii")
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[request.origin, request.method, request.target] = start
        return start


def _authority(origin: Origin) -> str:
    if origin.scheme == "unix":
        return "localhost"
    name = _name(origin.host)
    return name if origin.port == _PORTS.get(origin.scheme) else f"{name}:{origin.port}"


def _name(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host if host.isascii() else host.encode("idna").decode("ascii")
