"""Port: a language that prompts are written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from modelwright.core.contracts.snapshot import Prompt

Render: TypeAlias = Callable[[Mapping[str, Any]], list[str]]
"""The texts of a prompt's messages, in order, for a value of each variable.

Raises PromptFailed when the template fails on these values, Malformed when they make the text too long.
"""
Compile: TypeAlias = Callable[[Prompt], Render]
"""Raises PromptError for a template that could run code or for long, or that names what no variable is called."""
