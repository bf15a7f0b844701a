"""The root of the tree of errors, and what is wrong in a file."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class ModelwrightError(Exception):
    """Base of every error that Modelwright raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        """One line for people: place, problem, remedy."""
        where = f"{self.place}: " if self.place else ""
        remedy = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{remedy}"


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong in a file: where, what, and how to mend it."""

    path: str
    """File as the user named it."""
    line: int
    """1-based; 0 when the fault has no line (a missing file)."""
    key: str
    """Dotted path inside the file, such as `models.digits.source`."""
    problem: str
    remedy: str
    nearest: str = ""
    """The nearest known key, when the fault is an unknown one."""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        key = f" {self.key}:" if self.key else ""
        return f"{where}:{key} {self.problem}. {self.remedy}"


class ManifestError(ModelwrightError):
    """The manifest cannot be used; `faults` holds all that was found, in file order."""

    code = "manifest_invalid"

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults
