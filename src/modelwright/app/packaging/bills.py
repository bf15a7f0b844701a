"""Lists what is really in an image, asked of the image itself, and keeps the list beside the manifest."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from modelwright.adapters.images.engine import Engine
from modelwright.app.whole_file import write_whole
from modelwright.core.deploying.images import Commit, Part, Recipe
from modelwright.deploy.images.parts import ASK_PYTHON, alpine_parts, debian_parts, node_parts, python_parts

NPM_LOCK = "package-lock.json"


async def bill(engine: Engine, recipe: Recipe, image: str, *, folder: Path, commit: Commit | None) -> Path:
    """Path of the list; one that is there is not made again."""
    path = folder / f"{recipe.name}-{image.removeprefix('sha256:')[:12]}.cdx.json"
    if not path.exists():
        parts = await installed(engine, image)
        lock = Path(recipe.folder) / NPM_LOCK if recipe.folder else None
        if lock is not None and lock.is_file():
            parts |= node_parts(lock.read_text("utf-8"))
        bill_of = import_module("modelwright.adapters.images.bom").bill_of  # its library is large, and seldom needed
        content = bill_of(recipe, image, parts=sorted(parts), at=commit.at if commit else 0)
        _write(path, content)
    return path


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


async def installed(engine: Engine, image: str) -> set[Part]:
    """What package managers have put into an image; of one without any it is nothing."""
    parts: set[Part] = set()
    if told := await engine.read(image, ("python", "-c", ASK_PYTHON)):
        parts |= python_parts(told.decode())
    if told := await engine.read(image, ("cat", "/var/lib/dpkg/status")):
        parts |= debian_parts(told.decode("utf-8", "replace"))
    if told := await engine.read(image, ("cat", "/lib/apk/db/installed")):
        parts |= alpine_parts(told.decode("utf-8", "replace"))
    return parts
