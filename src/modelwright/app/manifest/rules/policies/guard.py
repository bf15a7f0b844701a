"""What must be true of guards and their judges."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.app.manifest.rules.operations import TENSOR_OPERATIONS, common_operations
from modelwright.app.manifest.sections.guard import GuardSection, InputJudgeSection

NO_MODERATIONS = frozenset({"anthropic", "azure-openai"})
"""Kinds of providers that have no wire of moderations."""


def _words(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        if endpoint.guard is None:
            continue
        here: Path = ("endpoints", name, "guard")
        if _is_tensors(case, name):
            problem = f"it answers {' and '.join(common_operations(case, name))}, with no texts to look at"
            yield Finding(here, problem, "remove it", on_key=True)
        for side, section in (("input", endpoint.guard.input), ("output", endpoint.guard.output)):
            for label, rule in section.rules.items():
                if not rule.words and not rule.shapes:
                    yield Finding((*here, side, "rules", label), "names neither `words` nor `shapes`", "add some")


def _judges(case: Case) -> Iterator[Finding]:
    for name, endpoint in case.manifest.endpoints.items():
        if endpoint.guard is None or _is_tensors(case, name):
            continue
        for side, judge in _each(endpoint.guard):
            yield from _judge(case, ("endpoints", name, "guard", side, "judge"), judge)


def _is_tensors(case: Case, endpoint: str) -> bool:
    known = {*common_operations(case, endpoint)}
    return bool(known) and known <= {*TENSOR_OPERATIONS}


def _each(guard: GuardSection) -> Iterator[tuple[str, InputJudgeSection]]:
    for side, judge in (("input", guard.input.judge), ("output", guard.output.judge)):
        if judge is not None:
            yield side, judge


def _judge(case: Case, here: Path, judge: InputJudgeSection) -> Iterator[Finding]:
    unknown = {field for field in ("endpoint", "provider", "model") if (*here, field) in case.unknown}
    if judge.endpoint and (judge.provider or judge.model):
        remedy = "keep `endpoint`, or `provider` and `model`"
        yield Finding(here, "`endpoint` stands beside `provider` or `model`", remedy)
    elif judge.endpoint:
        yield from _language_model(case, (*here, "endpoint"), judge.endpoint)
    elif judge.provider:
        yield from _classifier(case, here, judge)
        if not judge.model and "model" not in unknown:
            yield Finding(here, "`model` is missing", "write the classifier's own name of its model")
    elif not unknown:
        yield Finding(here, "names nobody who judges", "write `endpoint: …`, or `provider: …` and `model: …`")


def _language_model(case: Case, here: Path, name: str) -> Iterator[Finding]:
    endpoint = case.manifest.endpoints.get(name)
    if endpoint is None:
        known = case.names("endpoints")
        if name not in known:
            yield unknown_name(here, name, section="endpoints", known=known)
        return
    operations = common_operations(case, name)
    if operations and not {"chat", "messages"} & set(operations):
        yield Finding(here, f"{name!r} does not answer chat", "name an endpoint that does")
    if name == here[1]:
        yield Finding(here, f"{name!r} would judge itself", "name an endpoint of its own for the judge")
    elif endpoint.guard is not None and any(True for _ in _each(endpoint.guard)):
        problem = f"{name!r} has a judge itself, so that a judge would be judged"
        yield Finding(here, problem, "take the judge away there")


def _classifier(case: Case, here: Path, judge: InputJudgeSection) -> Iterator[Finding]:
    provider = case.manifest.providers.get(judge.provider)
    if provider is None:
        known = case.names("providers")
        if judge.provider not in known:
            yield unknown_name((*here, "provider"), judge.provider, section="providers", known=known)
    elif provider.kind in NO_MODERATIONS:
        problem = f"{judge.provider!r} is of kind {provider.kind}, which has no wire of moderations"
        yield Finding((*here, "provider"), problem, "name another provider, or judge by an `endpoint`")


RULES: Rules = (
    _words,
    _judges,
)
