"""The commands by which programs are checked, the same on every build server; each runs in the program's folder.

A tool that the program's own lock names is taken in that version, otherwise the newest. A check that cannot be made
fails: nothing here forgives.
"""

from __future__ import annotations

from typing import NamedTuple

from modelwright.deploy.exports.ci.pipeline import Program

UV = "uv>=0.9,<1"
_LISTED = "locked.txt"


class Check(NamedTuple):
    """One step: what it is called, and its lines for a shell that stops at the first failure."""

    title: str
    lines: tuple[str, ...]


def checks(program: Program) -> tuple[Check, ...]:
    """In the order in which they are run; none for a program that nothing is known of."""
    match program.kind:
        case "uv":
            return _uv(program)
        case "poetry":
            return _poetry(program)
        case "pip":
            return _pip(program)
        case "npm":
            return _NPM
        case "other":
            return ()


def image(program: Program) -> str:
    """In which they can run, where a build server works in containers."""
    return f"node:{program.runtime}-slim" if program.kind == "npm" else f"python:{program.runtime}-slim"


def _uv(program: Program) -> tuple[Check, ...]:
    return (
        Check("Install", (f"python -m pip install --quiet '{UV}'", "uv sync --locked")),
        Check("Lint", ("uv run --with ruff ruff check .",)),
        Check("Types", (f"uv run --with {program.types} {_typed(program)}",)),
        Check("Tests", ("uv run --with pytest python -m pytest",)),
        Check(
            "Known vulnerabilities",
            (
                f"uv export --quiet --locked --no-dev --no-emit-project --output-file {_LISTED}",
                _audit("uvx pip-audit", _LISTED, hashed=True),
            ),
        ),
    )


def _poetry(program: Program) -> tuple[Check, ...]:
    return (
        Check(
            "Install",
            (
                f"python -m pip install --quiet 'poetry>=2,<3' 'poetry-plugin-export>=1.9,<2' '{UV}'",
                "poetry install --no-interaction",
            ),
        ),
        Check("Lint", ("uvx ruff check .",)),
        Check("Types", (f"uvx {_typed(program, python='$(poetry env info --executable)')}",)),
        Check("Tests", ("poetry run python -m pytest",)),
        Check(
            "Known vulnerabilities",
            (
                f"poetry export --output {_LISTED}",
                _audit("uvx pip-audit", _LISTED, hashed=True),
            ),
        ),
    )


def _pip(program: Program) -> tuple[Check, ...]:
    own = "-r requirements.txt" if program.listed else "."
    return (
        Check("Install", (f"python -m pip install --quiet {own} ruff {program.types} pytest pip-audit",)),
        Check("Lint", ("python -m ruff check .",)),
        Check("Types", (f"python -m {_typed(program)}",)),
        Check("Tests", ("python -m pytest",)),
        Check("Known vulnerabilities", (f"python -m pip_audit --strict {own}",)),
    )


_NPM = (
    Check("Install", ("npm ci",)),
    Check("Lint", ("npm run lint --if-present",)),
    Check("Types", ("npm run typecheck --if-present",)),
    Check("Tests", ("npm run test --if-present",)),
    Check("Known vulnerabilities", ("npm audit --omit=dev --audit-level=high",)),
)


def _typed(program: Program, *, python: str = "") -> str:
    if program.types == "mypy":
        return f'mypy --python-executable "{python}" .' if python else "mypy ."
    return f'pyright --pythonpath "{python}"' if python else "pyright"


def _audit(command: str, listed: str, *, hashed: bool) -> str:
    """Without --strict, what could not be looked up would pass."""
    return f"{command} --strict{' --require-hashes --disable-pip' if hashed else ''} -r {listed}"
