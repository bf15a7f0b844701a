"""Prints an error for people, on stderr: place, problem, remedy; never a traceback for what was raised on purpose."""

from __future__ import annotations

import sys

from modelwright.cli.exit_codes import exit_code
from modelwright.core.errors.tree import Fault, ManifestError, ModelwrightError
from modelwright.core.words.counting import count_of
from modelwright.core.words.printable import visible


def report(error: ModelwrightError) -> int:
    """Print the error, whoever has written its words; the exit status that goes with it."""
    print(visible(text_of(error)), file=sys.stderr)
    return exit_code(error)


def text_of(error: ModelwrightError) -> str:
    """One line, or one per fault and a count."""
    if isinstance(error, ManifestError):
        return f"{fault_lines(error.faults)}\n{count_of(len(error.faults), 'fault')}"
    if error.hint and "\n" in error.message:
        where = f"{error.place}: " if error.place else ""
        return f"error: {where}{error.message}\n    {_begun(error.hint)}"
    return f"error: {error}"


def fault_lines(faults: tuple[Fault, ...], *, word: str = "") -> str:
    """Each fault on two lines: where and what (after `word`), then what to do."""
    return "\n".join(f"{_head(fault, word)}\n    {_begun(fault.remedy)}" for fault in faults)


def _begun(remedy: str) -> str:
    return f"{remedy[:1].upper()}{remedy[1:]}"


def _head(fault: Fault, word: str) -> str:
    where = f"{fault.path}:{fault.line}" if fault.line else fault.path
    return ": ".join(part for part in (where, word, fault.key, fault.problem) if part)
