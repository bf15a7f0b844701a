"""A free port for a server that cannot choose one itself."""

import os
import random
import socket

_OWN = (12_000, 30_000)
"""Below those that systems give to outgoing connections, which would take it while its server is down."""
_SIDE_BY_SIDE = 16
"""Workers of a run, each with ports of its own: what one has been given, and has not bound yet, no other one gets."""
_given: set[int] = set()


def free_port() -> int:
    """One that nobody uses now, and that nobody is given by chance."""
    chance, mine = random.SystemRandom(), int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = chance.randrange(_OWN[0] + mine % _SIDE_BY_SIDE, _OWN[1], _SIDE_BY_SIDE)
        if port in _given:
            continue
        try:
            with socket.create_server(("127.0.0.1", port)):
                _given.add(port)
                return port
        except OSError:
            continue
