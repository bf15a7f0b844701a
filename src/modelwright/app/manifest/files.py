"""Looks at the files that a manifest names: is it there, what is it; it judges nothing and runs nothing."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from modelwright.app.artifacts.damage import damage_of
from modelwright.app.artifacts.files import open_file
from modelwright.app.artifacts.formats import UNKNOWN, format_of
from modelwright.app.artifacts.labels import read_labels
from modelwright.app.document.parse import DocumentError, parse, read_bytes, read_text

MAX_CHECK = 32 << 20


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What was seen of one model's files."""

    format: str = UNKNOWN
    """A name in app/artifacts/formats; empty when it is none of these."""
    awaited: bool = False
    """It lies elsewhere and is not here yet, so that nothing is known of it."""
    source_problem: str = ""
    damage: str = ""
    """What is wrong within the file; it is of the format all the same."""
    check_problem: str = ""
    labels_problem: str = ""


def look(source: Path | None, check: Path | None, labels: Path | None = None) -> FileFacts:
    """What the model file or folder is, and whether the check can be sent and the labels read.

    None: the model is not here yet.
    """
    problem = _unreadable(source) if source is not None else ""
    found = UNKNOWN if problem or source is None else format_of(source)
    return FileFacts(
        format=found,
        damage=damage_of(source, found) if source is not None else "",
        awaited=source is None,
        source_problem=problem,
        check_problem=_check_problem(check) if check is not None else "",
        labels_problem=_labels_problem(labels) if labels is not None else "",
    )


def folder_problem(path: Path) -> str:
    """What is wrong with a folder with somebody's project; empty: nothing."""
    try:
        return "" if any(path.iterdir()) else "is an empty folder"
    except FileNotFoundError:
        return "does not exist"
    except NotADirectoryError:
        return "is no folder"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def settings_problem(path: Path, wanted: Collection[str]) -> str:
    """What is wrong with a file of settings, in YAML, that somebody else reads; empty: nothing that is seen here."""
    try:
        read, _ = parse(read_text(read_bytes(path)))
    except DocumentError as error:
        return f"{error}, in line {error.line}" if error.line else str(error)
    missing = [key for key in wanted if read.at((key,)) is None]
    return f"it has no `{missing[0]}`" if missing else ""


def _unreadable(path: Path) -> str:
    try:
        if path.is_dir():
            return "" if any(path.iterdir()) else "is an empty folder"
        with open_file(path) as file:
            return "" if file.read(1) else "is empty"
    except FileNotFoundError:
        return "does not exist"
    except (OSError, ValueError) as error:
        return f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"


def _labels_problem(path: Path) -> str:
    try:
        read_labels(path)
    except ValueError as error:
        return str(error)
    return ""


def _check_problem(path: Path) -> str:
    problem = "is a folder" if path.is_dir() else _unreadable(path)
    if problem:
        return problem
    if path.stat().st_size > MAX_CHECK:
        return f"is larger than {MAX_CHECK >> 20} MiB"
    try:
        content = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        return f"is not JSON (line {error.lineno}: {error.msg})"
    except (UnicodeDecodeError, RecursionError, ValueError):
        return "is not JSON in UTF-8"
    return "" if isinstance(content, dict) else "holds no JSON object"
