"""What an edge runs by, as values: its program, its files, who is in which place of its, what it has answered."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelwright.core.deploying.front import EDGE_FOLDER, Server

HAPROXY_FILE, HAPROXY_SOCKET, HAPROXY_MASTER = "haproxy.cfg", "haproxy.sock", "master.sock"
"""In the edge's folder; the sockets are those of its worker and of its master, which stays over reloads."""
_NOTE = "# places "


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One of the places that a route has ready for instances."""

    route: str
    name: str
    server: Server | None = None
    """None: it is free."""
    weight: int = 0
    """0: nothing new gets there."""


class Composed(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration, and what of it can be set while the edge runs."""

    text: str
    shape: str
    """Digest of all that cannot."""
    places: tuple[Place, ...]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One request that an edge has passed on."""

    route: str
    release: str
    at: float
    """Unix seconds of its end."""
    status: int
    """0: there was no answer."""
    whole: bool
    """Whether all of the answer came from the instance; a client that left does not speak against it."""
    first_ms: float
    """Until the answer began."""
    total_ms: float


def haproxy_command(folder: str = EDGE_FOLDER) -> tuple[str, ...]:
    """What runs HAProxy in the foreground: with `-W` a master reloads it without losing a connection."""
    return ("haproxy", "-W", "-db", "-S", f"{folder}/{HAPROXY_MASTER},mode,666", "-f", f"{folder}/{HAPROXY_FILE}")


def noted(places: Sequence[Place]) -> str:
    """A line of comment for the head of a configuration."""
    return _NOTE + msgspec.json.encode(places).decode()


def places_in(text: str) -> tuple[Place, ...]:
    """Those that a configuration was made with; none when it is not one of ours."""
    first, _, _ = text.partition("\n")
    if not first.startswith(_NOTE):
        return ()
    return msgspec.json.decode(first.removeprefix(_NOTE), type=tuple[Place, ...])
