"""Where the code of a class of the user's lies beside the manifest; it is looked for, never imported."""

from __future__ import annotations

from pathlib import Path

from modelwright.app.plugins import PYTHON


def module_file(base: Path, kind: str | None) -> str:
    """`app/models.py`, relative to the manifest's folder; empty when the kind is no class, or its code not there."""
    if not kind or not kind.startswith(PYTHON):
        return ""
    module = kind.removeprefix(PYTHON).partition(":")[0].replace(".", "/")
    return next((path for path in (f"{module}.py", f"{module}/__init__.py") if (base / path).is_file()), "")
