"""The reference of errors, from the tree in core/errors.py and the tables of statuses."""

from __future__ import annotations

from collections.abc import Iterator

from docs.reference_pages.markdown import table
from modelwright.cli.exit_codes import EXIT_CODES
from modelwright.core.errors import CallError, ModelwrightError
from modelwright.core.wire.status import STATUS

_INTRO = """# Errors

<!-- Written by docs/generate.py from src/modelwright/core/errors.py: change that and run `make docs`. -->

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
    calls = [
        (f"`{error.code}`", str(STATUS.get(error.code, 500)), _meaning(error))
        for error in (CallError, *_below(CallError))
    ]
    others = [error for error in _below(ModelwrightError) if not issubclass(error, CallError)]
    commands = [(f"`{error.code}`", str(EXIT_CODES.get(error.code, 1)), _meaning(error)) for error in others]
    return "\n".join(
        [
            _INTRO,
            _CALLS,
            table(("code", "status", "meaning"), sorted(calls, key=lambda row: (row[1], row[0]))),
            _COMMANDS,
            table(("code", "exit status", "meaning"), commands),
        ]
    )


def _below(error: type[ModelwrightError]) -> Iterator[type[ModelwrightError]]:
    for child in error.__subclasses__():
        if child.__module__ != ModelwrightError.__module__:
            continue  # somebody else's, such as a test's
        yield child
        yield from _below(child)


def _meaning(error: type[ModelwrightError]) -> str:
    return " ".join((error.__doc__ or "").split("\n\n", maxsplit=1)[0].split())
