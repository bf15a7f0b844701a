"""What must be true of tasks: that whoever is told of their ends can know it is us, and that they fit the doors."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.core.quantities import parse_size

_HERE: Path = ("tasks", "webhook", "secrets")
_MOST = 2


def _sizes(case: Case) -> Iterator[Finding]:
    tasks, gateway = case.manifest.tasks, case.manifest.gateway
    unknown = {("tasks", "max_body"), ("gateway", "max_body")} & set(case.unknown)
    if tasks is not None and not unknown and parse_size(tasks.max_body) > parse_size(gateway.max_body):
        problem = f"is more than gateway.max_body, {gateway.max_body}, so that such a call could not be made"
        yield Finding(("tasks", "max_body"), problem, "write less, or raise gateway.max_body")


def _secrets(case: Case) -> Iterator[Finding]:
    secrets = case.manifest.tasks.webhook.secrets if case.manifest.tasks is not None else ()
    if len(secrets) > _MOST:
        remedy = f"write at most {_MOST}: the one in use, and the one that receivers go over to"
        yield Finding(_HERE, f"holds {len(secrets)}", remedy)
    for index, secret in enumerate(secrets):
        place = (*_HERE, index)
        if secret.is_literal and place not in case.unknown:
            problem = "a secret stands in the file or is copied into it"
            yield Finding(place, problem, "put it into the environment and write `${secret:NAME}`")


RULES: Rules = (_sizes, _secrets)
