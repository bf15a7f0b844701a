"""Recognises the projects that apps are built from, as far as their checks need it; nothing of them is run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from modelwright.deploy.exports.ci.pipeline import Kind, Program, Types

_MOST = 1 << 20
"""Bytes of a file that is read."""
_VERSION = re.compile(r"\d+(?:\.\d+)?")
PYTHON = "3.13"
NODE = "22"
"""Where a project says nothing."""


def program(name: str, folder: Path, *, root: Path) -> Program:
    """One app; `root` is that of the repository."""
    kind = _kind(folder)
    return Program(
        name=name,
        folder=folder.relative_to(root).as_posix(),
        kind=kind,
        runtime=_runtime(folder, kind),
        types=_types(folder),
        listed=(folder / "requirements.txt").is_file(),
    )


def _kind(folder: Path) -> Kind:
    """By the lock that lies there; a project without one is pip's, or npm's."""
    if (folder / "uv.lock").is_file():
        return "uv"
    project = _toml(folder / "pyproject.toml")
    if (folder / "poetry.lock").is_file() or "poetry" in project.get("tool", {}):
        return "poetry"
    if project or (folder / "requirements.txt").is_file():
        return "pip"
    return "npm" if (folder / "package.json").is_file() else "other"


def _runtime(folder: Path, kind: Kind) -> str:
    """The lowest version that the project says it runs on: a newer one would not show what is missing there."""
    match kind:
        case "other":
            return ""
        case "npm":
            engines = _json(folder / "package.json").get("engines", {})
            said = (_text(folder / ".nvmrc"), _text(folder / ".node-version"), str(engines.get("node", "")))
            found = next((match for one in said if (match := _VERSION.search(one))), None)
            return found[0].partition(".")[0] if found else NODE
        case _:
            project = _toml(folder / "pyproject.toml")
            poetry = project.get("tool", {}).get("poetry", {}).get("dependencies", {})
            wanted = project.get("project", {}).get("requires-python") or poetry.get("python", "")
            said = (_text(folder / ".python-version"), str(wanted))
            found = next((match for one in said if (match := _VERSION.search(one)) and "." in match[0]), None)
            return found[0] if found else PYTHON


def _types(folder: Path) -> Types:
    """What it is set up for."""
    tools = _toml(folder / "pyproject.toml").get("tool", {})
    return "mypy" if "mypy" in tools or (folder / "mypy.ini").is_file() else "pyright"


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError:
        return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    """Empty where there is none, or none that can be read: the project's own tools will say so."""
    try:
        return path.read_bytes()[:_MOST].decode("utf-8", "replace")
    except OSError:
        return ""
