"""What must be true of the doors: who may pass, and that they do not meet."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.core.addresses import is_loopback, split_address


def _doors(case: Case) -> Iterator[Finding]:
    gateway = case.manifest.gateway
    host, _ = split_address(gateway.listen)
    if case.manifest.access.auth == "none" and not is_loopback(host):
        problem = "`none` lets everybody call, and gateway.listen is open to other machines"
        yield Finding(("access", "auth"), problem, "write `required`, or listen on 127.0.0.1")
    opened = [("listen", gateway.listen), ("admin", gateway.admin)]
    if gateway.grpc is not None:
        opened.append(("grpc", gateway.grpc))
        host_of_grpc = split_address(gateway.grpc)[0]
        if case.manifest.access.auth == "none" and not is_loopback(host_of_grpc):
            problem = "`none` lets everybody call, and gateway.grpc is open to other machines"
            yield Finding(("access", "auth"), problem, "write `required`, or let grpc listen on 127.0.0.1")
    for (before, one), (name, other) in itertools.combinations(opened, 2):
        (host, port), (another, same) = split_address(one), split_address(other)
        if port and port == same and _meet(host, another):
            problem = f"is the same port as gateway.{before}"
            yield Finding(("gateway", name), problem, "choose another port; 0 picks one")


def _meet(one: str, other: str) -> bool:
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    return one == other or bool({one, other} & everywhere) or {one, other} <= {"localhost", "127.0.0.1", "::1"}


RULES: Rules = (_doors,)
