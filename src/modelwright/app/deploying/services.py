"""The kinds of services that a target can keep: a row for each, with what it is run from and how it is reached."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Rows = Mapping[str, "Row"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of service."""

    image: str = ""
    """Its name, without a tag."""
    version: str = ""
    """The tag that is taken when the manifest names none."""
    port: int = 0
    data: str = ""
    """Where it keeps its data."""
    scheme: str = "http"
    health: str = ""
    """Path that answers 200 when it is ready; empty: it takes connections."""
    parts: tuple[str, ...] = ("url", "host", "port")
    """What of it the manifest may refer to."""
    away: bool = False
    """None is run: the manifest may name one that runs elsewhere."""
    pages: bool = False
    """People look at it: a route may lead there."""


_WITH_USER = ("url", "host", "port", "user", "password", "database")

PROMETHEUS, ALERTMANAGER, LOKI = "prometheus", "alertmanager", "loki"

KINDS: Rows = {
    "postgres": Row(
        image="postgres",
        version="16",
        port=5432,
        data="/var/lib/postgresql/data",
        scheme="postgresql",
        parts=_WITH_USER,
    ),
    "redis": Row(
        image="redis", version="7", port=6379, data="/data", scheme="redis", parts=("url", "host", "port", "password")
    ),
    PROMETHEUS: Row(image="prom/prometheus", version="v3.5.0", port=9090, data="/prometheus", health="/-/ready"),
    ALERTMANAGER: Row(image="prom/alertmanager", version="v0.28.1", port=9093, data="/alertmanager", health="/-/ready"),
    "grafana": Row(
        image="grafana/grafana",
        version="12.1.1",
        port=3000,
        data="/var/lib/grafana",
        health="/api/health",
        parts=("url", "host", "port", "password"),
        pages=True,
    ),
    LOKI: Row(parts=("url",), away=True),
}
WITH_VECTOR = ("pgvector/pgvector", "pg")
"""The image of PostgreSQL that has pgvector, and what stands before the version in its tags."""


def parts_of(kind: str) -> tuple[str, ...]:
    """What of it the manifest may refer to; nothing for a kind that is not known."""
    return KINDS[kind].parts if kind in KINDS else ()
