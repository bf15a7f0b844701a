"""A plan and what becomes of it, in words for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from modelwright.core.deploying.journal import Begun, Ended, Entry, Failed, Settled, Taken, Turned
from modelwright.core.deploying.naming import named
from modelwright.core.deploying.steps import Change, Cost, Edit, Plan, Shift, Start, Step, Watch
from modelwright.core.words.counting import count_of

_MARKS = {"create": "+", "remove": "-", "replace": "~", "restart": "!", "repair": "*", "move": ">"}
_WORDS = {
    "create": "new",
    "remove": "goes",
    "replace": "new instances, beside the old ones until they are proven",
    "restart": "stopped and started again",
    "repair": "what is missing is started",
    "move": "",
}
_WIDE = 60
"""Characters of a value that are shown."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TELLING = 19
"""Characters of a digest that tell it from others: `sha256:` and twelve."""


def plan_lines(plan: Plan) -> Iterator[str]:
    """What changes, what happens on the way, and what has to be known before."""
    where = f"{plan.project}, {plan.environment}"
    if not plan.steps:
        yield f"{where}: nothing to do, {plan.release} serves"
        return
    yield f"{where}: {plan.release}"
    for change in plan.changes:
        yield ""
        yield from change_lines(change)
    yield ""
    yield _way(plan.steps)
    if plan.cost is not None:
        yield _cost(plan.cost)
    for notice in plan.notices:
        yield f"! {notice}"


def change_lines(change: Change) -> Iterator[str]:
    """One change, and below it what of it."""
    what = change.name if change.kind == "workload" else f"{change.kind} {change.name}"
    yield f"  {_MARKS[change.act]} {what}" + (f": {_WORDS[change.act]}" if _WORDS[change.act] else "")
    wide = max((len(edit.field) for edit in change.edits), default=0)
    for edit in change.edits:
        yield f"      {edit.field.ljust(wide)}  {_edit(edit)}"


def _cost(cost: Cost) -> str:
    same = ", as before" if cost.before == cost.after else ""
    amounts = cost.after if same or not cost.before else f"{cost.before} → {cost.after}"
    unknown = f", without what has no bound: {', '.join(cost.unknown)}" if cost.unknown else ""
    return f"cost: {amounts} {cost.currency} per hour{same}{unknown}"


def _edit(edit: Edit) -> str:
    if not edit.before:
        return short(edit.after)
    return f"{short(edit.before)} → {short(edit.after)}" if edit.after else f"{short(edit.before)} → gone"


def short(value: str) -> str:
    """As much of a value as tells it from others."""
    value = _DIGEST.sub(lambda found: found[0][:_TELLING], value)
    return value if len(value) <= _WIDE else value[: _WIDE - 1] + "…"


def _way(steps: Sequence[Step]) -> str:
    """The steps in one line."""
    parts = [count_of(len(steps), "step")]
    if started := sum(step.replicas for step in steps if isinstance(step, Start)):
        parts.append(f"{count_of(started, 'instance')} to start")
    shares = [_share(step) for step in steps if isinstance(step, Shift)]
    if shares:
        parts.append(f"traffic moves {' then '.join(shares)}")
    watched = sum(step.seconds for step in steps if isinstance(step, Watch))
    if watched:
        parts.append(f"watched for {_span(watched)}")
    return ", ".join(parts)


def _share(step: Shift) -> str:
    moved = {route: weights for route, weights in step.shares.items() if step.old_shares.get(route) != weights}
    new = {next(iter(weights.values())) for weights in moved.values() if weights}
    return " and ".join(f"{weight} %" for weight in sorted(new)) if new else "by new routes"


def _span(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


class Told:
    """Lines for entries of a journal, as they are written."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._plan = plan
        self._begun: dict[int, float] = {}
        self._problem = ""

    def line(self, entry: Entry) -> str:
        """For one entry; empty: it says nothing new."""
        match entry:
            case Begun(plan=plan):
                self._plan = plan
                return ""
            case Taken(number=number, at=at):
                self._begun[number] = at
                return ""
            case Settled(number=number, undo=undo, at=at):
                done = "undone" if undo else "done"
                return f"{self._place(number)} {done}: {self._what(number)}{self._lasted(number, at)}"
            case Failed(number=number, problem=problem):
                self._problem, what = problem, self._what(number)
                return f"{self._place(number)} failed: {what}: {_head(problem.removeprefix(f'{what}: '))}"
            case Turned(reason=reason):
                return "going back" if reason == self._problem else f"going back: {_head(reason)}"
            case Ended(outcome=outcome):
                return {"deployed": "deployed", "undone": "undone: all is as it was", "held": "held on trial"}[outcome]

    def doing(self, entry: Entry) -> str:
        """What goes on from here: the step that was begun; empty for other entries."""
        if not isinstance(entry, Taken):
            return ""
        return f"{self._place(entry.number)} {'undoing: ' if entry.undo else ''}{self._what(entry.number)}"

    def _place(self, number: int) -> str:
        count = len(self._plan.steps) if self._plan else 0
        return f"[{number + 1:>{len(str(count))}}/{count}]"

    def _what(self, number: int) -> str:
        if self._plan is None or number >= len(self._plan.steps):
            return "a step"
        return step_words(self._plan.steps[number])

    def _lasted(self, number: int, at: float) -> str:
        seconds = at - self._begun.get(number, at)
        return f" ({seconds:.1f} s)" if seconds >= 0.5 else ""


def _head(problem: str) -> str:
    """Without the lines of a log: they are told once, at the end."""
    return problem.partition("\n")[0].removesuffix("; its last lines:")


def step_words(step: Step) -> str:
    """A step, with its shares where it moves traffic."""
    if isinstance(step, Shift):
        return f"move traffic, {_share(step)}"
    if isinstance(step, Watch):
        return f"watch {step.release} with {step.share} % for {_span(step.seconds)}"
    fields = msgspec.structs.asdict(step)
    share = fields.get("share", 100)
    return named(step) + (f" on trial with {share} %" if share != 100 else "")
