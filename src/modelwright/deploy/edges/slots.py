"""Places for instances that an edge has ready, so that instances come and go without a reload of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from modelwright.core.deploying.edges import Place
from modelwright.core.deploying.front import Server
from modelwright.deploy.edges.ways import Way

LEAST = 8


def placed(ways: Sequence[Way], before: Sequence[Place], servers: Sequence[Server] = ()) -> Iterator[Place]:
    """Whoever is there stays in its place; whoever comes takes the first free one; places double when they run out.

    One of `servers` to whom the way does not lead any more stays, too: it may have streams.
    """
    known = {one.name: one for one in servers}
    for way in ways:
        here = [one.server.name if one.server else "" for one in before if one.route == way.route.name]
        there = {name: (known[name], 0) for name in here if name in known}
        there |= {server.name: (server, weight) for server, weight in way.servers}
        names = _names([*there], here)
        for number, name in enumerate(names, start=1):
            server, weight = there.get(name, (None, 0))
            yield Place(route=way.route.name, name=f"s{number}", server=server, weight=weight)


def left(ways: Sequence[Way], before: Sequence[Place], servers: Sequence[Server]) -> Iterator[Place]:
    """Places of routes that are gone, as long as one of `servers` was in one of them."""
    known, here = {one.name: one for one in servers}, {way.route.name for way in ways}
    gone = [one for one in before if one.route not in here]
    stay = {one.route for one in gone if one.server and one.server.name in known}
    for one in gone:
        if one.route in stay:
            server = known.get(one.server.name) if one.server else None
            yield msgspec.structs.replace(one, server=server, weight=0)


def _names(wanted: Sequence[str], before: Sequence[str]) -> list[str]:
    places = [name if name in wanted else "" for name in before]
    size = max(LEAST, len(places))
    while size < len(wanted):
        size *= 2
    places += [""] * (size - len(places))
    for name in wanted:
        if name not in places:
            places[places.index("")] = name
    return places
