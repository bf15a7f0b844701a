"""What should run on a target, described so that the same description has the same digest on every machine."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

Kind = Literal["gateway", "app", "service", "edge"]
"""`service`: a database, a cache; it and the edge are not released version by version, but kept."""


class Gate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What proves that an instance is ready: an HTTP request, with the answer that it has to give."""

    path: str
    """Empty: that it takes a connection is enough."""
    method: str = "GET"
    body: str = ""
    """Of a real inference."""
    bearer: str = ""
    """Digest of a secret of the instance's, an API key that is sent as `Authorization: Bearer`; empty: none."""
    ready: str = ""
    """A path that has to answer 200 before, by GET; empty: none."""
    status: int = 200
    deadline: float = 120.0
    """Seconds from the start of the instance until it must have passed."""
    restarts: int = 0
    """As many may be seen meanwhile; one more is a crash loop, and the gate has failed."""


class Mount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that an instance finds at a path."""

    path: str
    volume: str = ""
    """Name of a volume; data of a service, or weights that are filled once, with a tar of their files. Empty: one file,
    of this `digest`.
    """
    digest: str = ""
    """Of the content, where it is known: weights, a file of configuration; of a secret, with the target's salt."""
    secret: bool = False
    """Readable by its user alone, and nowhere shown."""
    writable: bool = False
    size: int = 0
    """Bytes that a volume of data should have room for; 0: not known."""


class Workload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One program with as many instances as it has to have."""

    name: str
    """Those of its release that name it in `after`, and what lasts, reach it by this name at its `port`: a release
    talks to itself, also while it has no traffic, or another one has.
    """
    kind: Kind
    image: str
    """Reference by digest where it is known, `name@sha256:…`; otherwise by tag."""
    command: tuple[str, ...] = ()
    """Empty: the image's own."""
    env: dict[str, str] = {}
    """Nothing secret: secrets are mounts."""
    mounts: tuple[Mount, ...] = ()
    port: int = 0
    """That it listens on, inside; 0: none."""
    publish: tuple[str, ...] = ()
    """Addresses of the host that lead to it, as `0.0.0.0:443` or `0.0.0.0:80>8080`; only the edge has any."""
    gate: Gate | None = None
    replicas: int = 1
    cpu: float = 0.0
    """Processors; 0: unbounded."""
    memory: int = 0
    """Bytes; 0: unbounded."""
    gpu: int = 0
    """Devices of its own."""
    grace: float = 30.0
    """Seconds that its running calls may take to end once it was asked to stop."""
    before: tuple[str, ...] = ()
    """A command that is run once per release, before the first instance gets traffic (migrations); empty: none."""
    after: tuple[str, ...] = ()
    """Workloads that it reaches by their names, and that have to be ready before it starts."""
    exposed: bool = False
    """A service that a route leads to: the edge has to reach it. (It reaches whatever else there is anyhow.)"""
    outside: bool = False
    """A service that is where the edge is, too: it asks the edge, or calls what is elsewhere."""

    @property
    def lasting(self) -> bool:
        """Whether it stays over releases, and is changed only when its own description does."""
        return self.kind in {"service", "edge"}


class Tls(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """By what a host proves who it is."""

    certificate: str = ""
    """Where the edge finds the chain and its key, in one PEM file; empty: they are asked for by ACME."""
    acme: str = ""
    """Whom the authority may write to."""
    directory: str = ""
    """Of the authority; empty: that of Let's Encrypt."""


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A way in: requests of a host and a path prefix go to the instances of a workload."""

    name: str
    workload: str
    host: str = ""
    """Empty: any."""
    prefix: str = "/"
    tls: Tls | None = None
    """None: plain HTTP. With it, plain HTTP is sent there."""
    affinity: str = ""
    """`cookie NAME`, which the edge sets, or `header NAME`: who shows the same one comes to the same instance."""
    max_body: int = 0
    """Bytes of a request; 0: unbounded."""
    timeout: float = 0.0
    """Seconds in which no byte may come from an instance; 0: the edge's own, which streams can live with."""
    rate: int = 0
    """Requests that one client address may send within `rate_window`; 0: any number."""
    rate_window: float = 0.0
    """Seconds."""
    headers: dict[str, str] = {}
    """Put into every answer that has none of the name: what browsers may do with it."""


class Desired(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that should be there, of one project in one environment."""

    project: str
    environment: str
    workloads: tuple[Workload, ...]
    routes: tuple[Route, ...] = ()
    edge: Literal["haproxy", "nginx"] = "haproxy"
    """What kind of program its workload of kind `edge` is, where it has one."""
    trusted: tuple[str, ...] = ()
    """Networks of proxies in front of that, whose word on a client's address is taken."""
    models: dict[str, str] = {}
    """Digests of the models that it serves."""
    prompts: dict[str, str] = {}
    keep: int = 5
    """Releases that stay on the target, this one included; a rollback goes to one of the others."""


def digest_of(value: Workload | Desired) -> str:
    """sha256 of the canonical JSON without defaults: equal wherever the description is, also in versions to come."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
