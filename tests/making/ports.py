"""A free port for a server that cannot choose one itself."""

import random
import socket

_OWN = (12_000, 30_000)
"""Below those that systems give to outgoing connections, which would take it while its server is down."""


def free_port() -> int:
    """One that nobody uses now, and that nobody is given by chance."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(*_OWN)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
