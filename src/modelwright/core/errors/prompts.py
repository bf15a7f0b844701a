"""Errors of prompts' files; what a call gets whose prompt cannot be filled in is in `calls`."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class PromptError(ModelwrightError):
    """A prompt's file cannot be used; `line` is where, 0 when it is the whole."""

    code = "prompt_invalid"

    def __init__(self, message: str, *, hint: str = "", place: str = "", line: int = 0) -> None:
        super().__init__(message, hint=hint, place=place)
        self.line = line
