"""How traffic goes over when somebody wants it otherwise than the manifest says."""

from __future__ import annotations

import re

from modelwright.core.deploying.trials import ALL, Rise
from modelwright.core.errors.deploying import DeployError

_SHARE = re.compile(r"([1-9][0-9]?)%?")


def wanted_rise(rise: Rise, *, canary: str = "", at_once: bool = False) -> Rise:
    """`rise` is the manifest's: with `canary` it stays at that share, `at_once` nobody watches. Raises DeployError."""
    if at_once:
        return Rise()
    if not canary:
        return rise
    share = _SHARE.fullmatch(canary)
    if share is None:
        raise DeployError(f"{canary!r} is no share of a canary", hint=f"write 1% to {ALL - 1}%", place="--canary")
    return Rise(steps=(int(share[1]),), pause=rise.pause, rules=rise.rules)
