"""Errors of writing a model in another format."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class CannotConvert(ModelwrightError):
    """A model cannot be written in this format, or would answer otherwise there."""

    code = "cannot_convert"
