"""What must be true of endpoints that keep their answers."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.app.manifest.rules.operations import EMBEDDINGS, common_operations, operations_of_model, served_alone

KEPT = {"chat", "completions", "embeddings"}
"""Operations whose answers are kept."""


def _exact(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        operations = common_operations(case, name)
        if endpoint.cache is not None and operations and not set(operations) & KEPT:
            problem = f"it answers {', '.join(operations)}, whose answers are not kept"
            yield Finding(("endpoints", name, "cache"), problem, "remove it", on_key=True)


def _semantic(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        if endpoint.cache is None or endpoint.cache.semantic is None:
            continue
        here: Path = ("endpoints", name, "cache", "semantic")
        operations = common_operations(case, name)
        if operations and "chat" not in operations:
            problem = f"only questions of a chat are compared by their meaning, and it answers {', '.join(operations)}"
            yield Finding(here, problem, "remove it", on_key=True)
        yield from _vectors(case, (*here, "endpoint"), endpoint.cache.semantic.endpoint)


def _vectors(case: Case, here: Path, name: str) -> Iterator[Finding]:
    endpoint = case.manifest.endpoints.get(name)
    if endpoint is None and name in served_alone(case.manifest):
        if EMBEDDINGS not in (operations_of_model(case, name) or (EMBEDDINGS,)):
            yield Finding(here, f"{name!r} does not answer embeddings", "name an endpoint that does")
        return
    if endpoint is None:
        if here not in case.unknown:
            known = case.names("endpoints")
            if name not in known:
                yield unknown_name(here, name, section="endpoints", known=known)
        return
    operations = common_operations(case, name)
    if operations and "embeddings" not in operations:
        yield Finding(here, f"{name!r} does not answer embeddings", "name an endpoint that does")
    if len(endpoint.variants) > 1:
        problem = f"{name!r} has {len(endpoint.variants)} variants, and vectors of two models cannot be compared"
        yield Finding(here, problem, "name an endpoint with one variant")


RULES: Rules = (
    _exact,
    _semantic,
)
