"""The language of prompts, whose library is loaded by the first prompt that needs it; it knows no template itself."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from modelwright.core.contracts.snapshot import Prompt
from modelwright.core.prompting.language import Render


def compile_prompt(prompt: Prompt) -> Render:
    """Raises PromptError."""
    language = import_module("modelwright.adapters.prompts.jinja")
    return cast("Render", language.compile_prompt(prompt))
