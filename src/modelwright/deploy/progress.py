"""What is next in a plan, by what its journal says: to do, to undo, or nothing; whoever asks, on whichever machine.

A plan that was begun ends in one of two ways: all of its steps are done, or all that were done are undone. Which one
can be chosen until its release is recorded; from there on there is only forward. (A trial that nobody can judge is the
third: it is held where it is, and a plan of its own ends it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from modelwright.core.deploying.journal import Begun, Ended, Entry, Failed, Settled, Taken, Turned
from modelwright.core.deploying.steps import Bring, Fill, Plan, Record, Step, Watch
from modelwright.core.deploying.trials import ALL

_LASTING = (Bring, Fill, Watch)
"""Steps that are not undone: what they leave behind is used again, or cannot be taken back, or is nothing."""


class Do(msgspec.Struct, frozen=True):
    """This step is to be done; it may be half done already."""

    number: int
    step: Step


class Undo(msgspec.Struct, frozen=True):
    """This step is to be undone; it may be half done, or half undone."""

    number: int
    step: Step


class Over(msgspec.Struct, frozen=True):
    """Nothing is left but to say so."""

    deployed: bool


Next: TypeAlias = Do | Undo | Over


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a plan has come."""

    plan: Plan
    done: frozenset[int]
    """Numbers of steps that are done and not undone."""
    touched: frozenset[int]
    """Those that are done, or were begun and may have left something."""
    back: bool
    """It is being undone."""
    ended: str
    """`deployed`, `undone`, `held`; empty while it goes on."""
    problem: str
    """Why the newest step that failed did."""

    @property
    def recorded(self) -> bool:
        """Whether there is no way back: its release serves, or is about to be said to."""
        touched = (self.plan.steps[number] for number in self.touched)
        return any(isinstance(step, Record) and step.share == ALL for step in touched)

    @property
    def next(self) -> Next:
        """What is to be done now."""
        if self.back:
            left = [number for number in self.touched if not isinstance(self.plan.steps[number], _LASTING)]
            return Undo(max(left), self.plan.steps[max(left)]) if left else Over(deployed=False)
        number = next((number for number in range(len(self.plan.steps)) if number not in self.done), None)
        return Over(deployed=True) if number is None else Do(number, self.plan.steps[number])


def progress(entries: Sequence[Entry]) -> Progress | None:
    """Read a journal; None when no plan was begun. An entry that does not belong is no plan's, and is passed over."""
    first = next((entry for entry in reversed(entries) if isinstance(entry, Begun)), None)
    if first is None:
        return None
    done: set[int] = set()
    touched: set[int] = set()
    back, ended, problem = False, "", ""
    for entry in entries[entries.index(first) + 1 :]:
        match entry:
            case Taken(number=number):
                touched.add(number)
                done.discard(number)
            case Settled(number=number, undo=False):
                done.add(number)
            case Settled(number=number):
                touched.discard(number)
            case Failed(problem=words):
                problem = words
            case Turned():
                back = True
            case Ended(outcome=outcome):
                ended = outcome
            case Begun():
                pass
    return Progress(
        plan=first.plan,
        done=frozenset(done),
        touched=frozenset(touched),
        back=back,
        ended=ended,
        problem=problem,
    )
