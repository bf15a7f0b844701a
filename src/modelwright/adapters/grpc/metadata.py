"""Metadata of gRPC as headers of REST and back; what belongs to a connection alone does not pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from modelwright.core.ports.http import Headers
from modelwright.core.wire.v2 import BINARY_HEADER, PEER_HEADER

_OWN = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        BINARY_HEADER.decode(),
        PEER_HEADER.decode(),
    }
)
_PASS_BACK = ("x-", "retry-after")
"""How names begin that a client may want to read."""


def read_metadata(metadata: Iterable[tuple[str, str | bytes]], *, client: str) -> Headers:
    """Headers for a gateway worker, whom the client's address is told besides."""
    found = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in metadata
        if isinstance(value, str) and not name.startswith(("grpc-", ":")) and name not in _OWN
    ]
    found.append((PEER_HEADER, client.encode("latin-1", "replace")))
    return found


def write_metadata(context: Any, headers: Headers) -> None:
    """What the worker told beside its answer, at the end of the call."""
    context.set_trailing_metadata(
        tuple(
            (text, value.decode("latin-1"))
            for name, value in headers
            if (text := name.decode("latin-1")).startswith(_PASS_BACK)
        )
    )


def client_of(peer: str) -> str:
    """The address in grpc's `ipv4:192.0.2.1:50000` or `ipv6:%5B::1%5D:50000`; empty when there is none."""
    family, _, place = unquote(peer).partition(":")
    if family not in {"ipv4", "ipv6"}:
        return ""
    return place.rpartition(":")[0].strip("[]")
