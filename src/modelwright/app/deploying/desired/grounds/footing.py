"""What descriptions have to say otherwise where instances are plain processes of one machine."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from modelwright.app.deploying.desired.values import BY_NAME, GATEWAY, GRPC_PORT
from modelwright.app.settings.settings import STATE
from modelwright.core.deploying.places import PROCESS, SECRETS, SITE, port_of


class Footing(msgspec.Struct, frozen=True, kw_only=True):
    """What instances of an environment find around them."""

    secrets: str = SECRETS
    """Folder of the gateway's secrets."""
    upwards: str = ""
    """What stands before paths of its manifest that are whole elsewhere."""
    listen: str = "0.0.0.0"  # noqa: S104 - of a container
    grpc: str = str(GRPC_PORT)
    ports: tuple[str, ...] = ()
    """Words of its command that say where it listens."""
    proxies: tuple[str, ...] = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    """Where the edge is: networks of an engine are private ones, and nobody else comes in there."""
    gateway: Mapping[str, str] = BY_NAME
    """What programs refer to."""
    program: str = ""
    """In place of an image that was built."""


CONTAINERS = Footing()


def processes(environment: str) -> Footing:
    """Everything on loopback, each instance on ports that it is told."""
    port = port_of(GATEWAY)
    return Footing(
        secrets=f"{SITE}/{STATE}/secrets/{environment}",
        upwards="../..",
        listen="127.0.0.1",
        grpc="${env:GRPC_PORT}",
        ports=("--port", "$PORT", "--admin-port", "$ADMIN_PORT"),
        proxies=("127.0.0.0/8", "::1/128"),
        gateway={"url": f"http://127.0.0.1:{port}", "host": "127.0.0.1", "port": port},
        program=PROCESS,
    )
