"""Errors of parts that cannot start, or that do not run."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class StartError(ModelwrightError):
    """A part cannot start."""

    code = "start_failed"


class PortInUse(StartError):
    """Somebody else listens there."""

    code = "port_in_use"


class MissingExtra(StartError):
    """A library that the manifest needs is not installed."""

    code = "missing_extra"


class AlreadyRunning(StartError):
    """The same manifest runs already."""

    code = "already_running"


class NotRunning(StartError):
    """Nothing of this manifest runs."""

    code = "not_running"


class BadModelFile(StartError):
    """A model file is missing, truncated, of another format, or not of the stated digest."""

    code = "bad_model_file"


class EngineEnded(ModelwrightError):
    """An engine's own server has ended, or does not come up; the next start may go better."""

    code = "engine_ended"
