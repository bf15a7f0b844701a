"""What must be true of a rollout: that its shares rise, and that there is something to watch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from modelwright.app.document.finding import Finding
from modelwright.app.manifest.rules.case import Case, Rules

_ALL = "100%"


def _rollout(case: Case) -> Iterator[Finding]:
    rollout = case.manifest.rollout
    for index, (before, after) in enumerate(pairwise(rollout.steps), start=1):
        if int(after[:-1]) <= int(before[:-1]):
            yield Finding(("rollout", "steps", index), f"{after} is not more than {before}", "let the shares rise")
    if rollout.steps[:1] in {(), (_ALL,)}:
        for key in sorted(rollout.model_fields_set - {"steps"}):
            problem = "says how a share is watched, and all traffic goes over at once"
            yield Finding(("rollout", key), problem, "write such as `steps: [10%, 100%]`, or remove it", on_key=True)


RULES: Rules = (_rollout,)
