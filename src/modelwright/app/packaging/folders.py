"""Reads of a project's folder what tells how it is built."""

from __future__ import annotations

from pathlib import Path

from modelwright.core.errors.deploying import BuildFailed
from modelwright.deploy.images.projects import READ, Project, recognised

_MOST = 1 << 20


def project_in(folder: Path, *, place: str) -> tuple[Project, str]:
    """(the project, its own .dockerignore); raises BuildFailed with `place`, where the folder is named."""
    try:
        names = {path.name for path in folder.iterdir()}
        texts = {name: _text(folder / name) for name in READ if (folder / name).is_file()}
    except OSError as error:
        hint = "name a folder with the sources of a program"
        raise BuildFailed(f"{folder} cannot be read: {error.strerror}", hint=hint, place=place) from error
    try:
        return recognised(texts, names), texts.get(".dockerignore", "")
    except BuildFailed as error:
        where = f"{folder}/{error.place}" if error.place else str(folder)
        raise BuildFailed(f"{where}: {error.message}", hint=error.hint, place=place) from None


def _text(path: Path) -> str:
    return path.read_bytes()[:_MOST].decode("utf-8", "replace")
