"""What must be true of how requests wait: levels that exist, bounds that mean something."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.manifest.rules.operations import TEXT_WIRE
from modelwright.app.plugins import PIPELINE, PYTHON, engine_row


def _priorities(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        rule, here = model.batching.priorities, ("models", name, "batching", "priorities")
        if rule is None:
            continue
        engine = case.engine(name)
        if engine and engine_row(engine).wire == TEXT_WIRE:
            yield Finding(here, f"is for tensor models, and {name} is run by {engine}", "remove it", on_key=True)
            continue
        if rule.default > rule.levels:
            problem = f"is {rule.default}, and there are {rule.levels} levels"
            yield Finding((*here, "default"), problem, f"write 1 to {rule.levels}")
        for level, rows in rule.queue_rows.items():
            place: Path = (*here, "queue_rows", level)
            if int(level) > rule.levels:
                yield Finding(place, f"there are {rule.levels} levels", "remove it, or raise `levels`", on_key=True)
            if not 1 <= rows <= model.batching.queue_rows:
                problem = f"is {rows}, and {model.batching.queue_rows} rows of the model may wait in all"
                yield Finding(place, problem, f"write 1 to {model.batching.queue_rows}")


def _tune(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        engine = case.engine(name)
        if model.batching.tune == "off" or not engine:
            continue
        if engine.startswith(PYTHON):
            continue  # whether a class declares tensors is known when it is loaded
        if engine == PIPELINE or engine_row(engine).wire != "v2":
            problem = f"tries the threads and rows of tensor models, and {name} is run by {engine}"
            yield Finding(("models", name, "batching", "tune"), problem, "remove it", on_key=True)


RULES: Rules = (_priorities, _tune)
