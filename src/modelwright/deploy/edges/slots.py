"""Places for instances that an edge has ready, so that instances come and go without a reload of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelwright.core.deploying.edges import Place
from modelwright.deploy.edges.ways import Way

LEAST = 8


def placed(ways: Sequence[Way], before: Sequence[Place]) -> Iterator[Place]:
    """Whoever is there stays in its place; whoever comes takes the first free one; places double when they run out."""
    for way in ways:
        there = {server.name: (server, weight) for server, weight in way.servers}
        names = _names(
            [*there], [one.server.name if one.server else "" for one in before if one.route == way.route.name]
        )
        for number, name in enumerate(names, start=1):
            server, weight = there.get(name, (None, 0))
            yield Place(route=way.route.name, name=f"s{number}", server=server, weight=weight)


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
