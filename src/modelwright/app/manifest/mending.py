"""Finds misspelt keys whose meaning is beyond doubt, and writes the file with them mended; everything else stays."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath

from modelwright.app.document.mend import Renaming, renamed
from modelwright.app.document.parse import DocumentError, parse, read_bytes, read_text
from modelwright.app.document.tree import Node, Path, as_mapping
from modelwright.app.manifest.later import LATER
from modelwright.app.manifest.shape import ANYTHING, keys_at
from modelwright.app.settings.settings import ENVIRONMENTS
from modelwright.core.errors.starting import StartError
from modelwright.core.nearest import surely_meant

_ROUNDS = 10
"""A key below a misspelt key is seen when that one is mended."""
_BOM = "\ufeff"


def mend_manifest(path: FilePath) -> tuple[Renaming, ...]:
    """Mend the file in place, as a whole; what was changed. A file that is no YAML is left alone.

    Raises StartError when the file cannot be written.
    """
    try:
        content = read_bytes(path)
        text, done = mended(content.decode() if read_text(content) else "")
    except DocumentError:
        return ()
    if done:
        write_file(path, text.encode())
    return done


def mended(text: str) -> tuple[str, tuple[Renaming, ...]]:
    """The text with its misspelt keys mended; raises DocumentError when it is no YAML."""
    mark = _BOM if text.startswith(_BOM) else ""
    text = text.removeprefix(_BOM)
    done: list[Renaming] = []
    for _ in range(_ROUNDS):
        tree, _faults = parse(text.replace("\r\n", "\n"))
        text, changed = renamed(text, misspelt(tree))
        if not changed:
            break
        done.extend(changed)
    return mark + text, tuple(sorted(done, key=lambda one: (one.line, one.column)))


def misspelt(tree: Node) -> Iterator[Renaming]:
    """Keys of the file, overlays included, that mean a known key beyond doubt."""
    yield from _below(tree, ())
    overlays = tree.child("environments")
    if overlays is None:
        return
    yield from _renamings(overlays, ENVIRONMENTS, ())
    for name, overlay in as_mapping(overlays).items():
        if name in ENVIRONMENTS:
            yield from _below(overlay, ())


def _below(node: Node, place: Path) -> Iterator[Renaming]:
    known = keys_at(place)
    if known:
        yield from _renamings(node, known, place)
    for key, child in as_mapping(node).items():
        if (not known or key in known) and (*place, key) != ("environments",):
            yield from _below(child, (*place, key))


def _renamings(node: Node, known: Iterable[str], place: Path) -> Iterator[Renaming]:
    """Of the keys of one map; two that mean the same are left to the user."""
    entries = as_mapping(node)
    free = [key for key in known if key not in entries]
    meant = {key: surely_meant(key, free) for key in entries if key not in set(known) and not _is_later((*place, key))}
    for key, new in meant.items():
        if new and list(meant.values()).count(new) == 1:
            yield Renaming(line=entries[key].key_line, column=entries[key].key_column, old=key, new=new)


def _is_later(path: Path) -> bool:
    return any(
        len(later.path) == len(path)
        and all(wanted in {ANYTHING, step} for wanted, step in zip(later.path, path, strict=True))
        for later in LATER
    )


def write_file(path: FilePath, content: bytes) -> None:
    """Replace a file as a whole, keeping its mode; a link stays a link. Raises StartError."""
    target = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            shutil.copymode(target, name)
            FilePath(name).replace(target)
        except BaseException:
            FilePath(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StartError(f"{path} cannot be written: {error.strerror}", hint="let this user write there") from error
