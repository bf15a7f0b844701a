"""What must be true of the doors: who may pass, and that they do not meet."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.core.addresses import is_loopback, split_address


def _doors(case: Case) -> Iterator[Finding]:
    gateway = case.manifest.gateway
    host, port = split_address(gateway.listen)
    if case.manifest.access.auth == "none" and not is_loopback(host):
        problem = "`none` lets everybody call, and gateway.listen is open to other machines"
        yield Finding(("access", "auth"), problem, "write `required`, or listen on 127.0.0.1")
    if port and port == split_address(gateway.admin)[1] and _meet(host, split_address(gateway.admin)[0]):
        yield Finding(("gateway", "admin"), "is the same port as gateway.listen", "choose another port; 0 picks one")


def _meet(one: str, other: str) -> bool:
    everywhere = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    return one == other or bool({one, other} & everywhere) or {one, other} <= {"localhost", "127.0.0.1", "::1"}


RULES: Rules = (_doors,)
