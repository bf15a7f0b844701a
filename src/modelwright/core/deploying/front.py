"""What stands in front, described: ways in, what answers behind them, and how releases share them."""

from __future__ import annotations

import msgspec

from modelwright.core.deploying.workloads import Route

EDGE_VOLUME, EDGE_FOLDER = "edge", "/edge"
"""The volume that an edge has its configuration and its socket in, and where both it and its keeper find it."""
PLAIN_PORT, SECURE_PORT = 8080, 8443
"""On which an edge listens, inside: plain HTTP, and TLS as soon as there is a certificate."""


NUMBERS_PORT = 8404
"""On which HAProxy tells numbers of its own at /metrics, to whoever is on its network; nothing publishes it."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One instance, as an edge sees it."""

    name: str
    """Unique, and the same as long as the instance is."""
    workload: str
    release: str
    """Empty for a workload that lasts."""
    address: str
    """`name:port` or `address:port`; a name may mean another address tomorrow, after the engine was started again."""
    down: bool = False
    """It did not run when this was told: nobody waits for its name, which may mean no address."""


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """All that an edge has to know; the same front is the same configuration."""

    kind: str = "haproxy"
    """Or `nginx`."""
    routes: tuple[Route, ...] = ()
    """As the newest release that has a share describes them."""
    servers: tuple[Server, ...] = ()
    """Whatever runs behind a route, or did and has not gone yet; those without a share finish their calls and get no
    new one.
    """
    shares: dict[str, dict[str, int]] = {}
    """By route: weights of releases; a workload that lasts has all of its route's traffic, whatever stands here."""
    trusted: tuple[str, ...] = ()
    """Networks of proxies in front of the edge, whose word on a client's address is taken."""
    publish: tuple[str, ...] = ()
    """Addresses of the host that lead to it, as its workload has them; a plain process listens there itself."""
