"""The wire between whoever deploys and the keeper of an environment: a line for a question, a line for its answer."""

from __future__ import annotations

import msgspec

from modelwright.adapters.targets.kept import Question
from modelwright.adapters.targets.processes import OfProcesses
from modelwright.core.errors.deploying import DeployError, LeaseHeld, LeaseLost, StepFailed
from modelwright.core.errors.tree import ModelwrightError


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One line to a keeper."""

    number: int
    question: Question | OfProcesses


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An error, on its way."""

    code: str
    message: str
    hint: str = ""
    place: str = ""
    until: float = 0.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One line from it."""

    number: int
    answer: msgspec.Raw = msgspec.Raw(b"null")
    error: Fault | None = None


def fault_of(error: ModelwrightError) -> Fault:
    """As it is sent."""
    until = error.until if isinstance(error, LeaseHeld) else 0.0
    return Fault(code=error.code, message=error.message, hint=error.hint, place=error.place, until=until)


def error_from(fault: Fault) -> DeployError:
    """As it was raised."""
    if fault.code == LeaseHeld.code:
        return LeaseHeld(fault.message, hint=fault.hint, place=fault.place, until=fault.until)
    kind = next((one for one in (LeaseLost, StepFailed) if one.code == fault.code), DeployError)
    return kind(fault.message, hint=fault.hint, place=fault.place)
