"""Where an edge listens and what it finds beside it; what it does with requests is a Front."""

from __future__ import annotations

import msgspec

from modelwright.core.deploying.front import EDGE_FOLDER, PLAIN_PORT, SECURE_PORT


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """All paths and addresses are as the edge itself sees them."""

    folder: str = EDGE_FOLDER
    """Of its configuration and its sockets."""
    root: str = ""
    """What stands before the paths of certificates that routes bring along."""
    plain: str = f":{PLAIN_PORT}"
    secure: str = f":{SECURE_PORT}"
    port: int = 443
    """Of the secure door, as clients reach it."""
    certificates: dict[str, str] = {}
    """By host: path of its chain and key, in one PEM file; a host whose certificate is still to come has none."""
    resolver: str = ""
    """Server for the names of instances, `address:port`; empty: only addresses are used."""
    numbers: str = ""
    """Where HAProxy tells numbers of its own, likewise; empty: nowhere."""
    proofs: dict[str, str] = {}
    """By path below PROOFS: what to answer there, so that an authority sees that the hosts are ours."""


PROOFS = "/.well-known/acme-challenge/"
"""Where an authority asks (RFC 8555, 8.3)."""
