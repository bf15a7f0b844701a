"""The reference of errors, from the tree in core/errors/ and the tables of statuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules

from docs.reference_pages.markdown import table
from modelwright.cli.exit_codes import EXIT_CODES
from modelwright.core import errors
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.wire.status import STATUS

_INTRO = """# Errors

<!-- Written by docs/generate.py from src/modelwright/core/errors/: change that and run `make docs`. -->

Every error has a stable code, a message that names the place and the problem, and a hint that says what to do.
"""
_CALLS = """## Answers to calls

On the OpenAI wire the code stands in `error.code`, on Anthropic's wire the message in `error.message` (and
`provider_overloaded` has the status 529 there), on the V2 wire the message in `error`. A status of 429 or 503 comes
with `Retry-After` where waiting helps.
"""
_COMMANDS = """## Commands

The exit statuses are listed in [Commands](cli.md#exit-statuses).
"""


def page() -> str:
    """The whole page."""
    known = every_error()
    calls = [
        (f"`{error.code}`", str(STATUS.get(error.code, 500)), _meaning(error))
        for error in known
        if issubclass(error, CallError)
    ]
    commands = [
        (f"`{error.code}`", str(EXIT_CODES.get(error.code, 1)), _meaning(error))
        for error in known
        if not issubclass(error, CallError)
    ]
    return "\n".join(
        [
            _INTRO,
            _CALLS,
            table(("code", "status", "meaning"), sorted(calls, key=lambda row: (row[1], row[0]))),
            _COMMANDS,
            table(("code", "exit status", "meaning"), sorted(commands, key=lambda row: (int(row[1]), row[0]))),
        ]
    )


def every_error() -> tuple[type[ModelwrightError], ...]:
    """The tree's errors without their root, family by family."""
    families = [import_module(f"{errors.__name__}.{family.name}") for family in iter_modules(errors.__path__)]
    return tuple(error for family in families for error in _defined(vars(family).values(), family.__name__))


def _defined(values: Iterable[object], module: str) -> Iterator[type[ModelwrightError]]:
    for value in values:
        if not isinstance(value, type) or not issubclass(value, ModelwrightError) or value is ModelwrightError:
            continue
        if value.__module__ == module:  # not one that is only its parent here
            yield value


def _meaning(error: type[ModelwrightError]) -> str:
    return " ".join((error.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
