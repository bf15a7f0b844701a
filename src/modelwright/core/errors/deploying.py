"""Errors of a deploy."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class DeployError(ModelwrightError):
    """A deploy cannot be planned, or cannot go on."""

    code = "deploy_failed"


class TargetUnreachable(DeployError):
    """The place where it should run does not answer, or lets nobody in."""

    code = "target_unreachable"


class KeeperLost(DeployError):
    """What remembers an environment is not there any more, but its memory is."""

    code = "keeper_lost"


class StepFailed(DeployError):
    """One step could not be done; names the step."""

    code = "step_failed"


class Drifted(DeployError):
    """The target is not as it was when the plan was made."""

    code = "drifted"


class Interrupted(DeployError):
    """Another plan was begun there and has not ended."""

    code = "interrupted"


class LeaseHeld(DeployError):
    """Somebody else is changing it."""

    code = "lease_held"

    def __init__(self, message: str, *, hint: str = "", place: str = "", until: float = 0.0) -> None:
        """`until`, by the target's clock: when it runs out, if its owner does not live any more."""
        super().__init__(message, hint=hint, place=place)
        self.until = until


class LeaseLost(DeployError):
    """Somebody else has taken over."""

    code = "lease_lost"


class BuildFailed(DeployError):
    """An image cannot be built, or not be brought to where it is needed."""

    code = "build_failed"


class ScanFailed(DeployError):
    """An image has known weaknesses, or nobody could look for them; neither is a pass."""

    code = "scan_failed"


class CertificateRefused(DeployError):
    """An authority gives no certificate for a host."""

    code = "certificate_refused"


class Undone(DeployError):
    """A deploy was undone: what served before serves."""

    code = "deploy_undone"


class OnTrial(DeployError):
    """A release stays on trial, since nobody can say whether it goes well."""

    code = "on_trial"


class NothingOpen(DeployError):
    """There is nothing to go on with, to give up or to decide."""

    code = "nothing_open"


class NoWayBack(DeployError):
    """A release is not known any more, or something of it is missing."""

    code = "no_way_back"
