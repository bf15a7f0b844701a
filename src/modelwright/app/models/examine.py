"""What must be true of a version's document before anybody goes by it, whoever has written it; no file is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite

import msgspec

from modelwright.app.artifacts.digests import digest_of_folder
from modelwright.core.contracts.model import MODEL_VERSION, ModelVersion
from modelwright.core.words.printable import in_short, one_line

MOST_FILES = 2000
MOST_BYTES = 1_000_000
"""Of a document; what is larger could not be sent to control."""
_LONGEST_NAME = 255
"""Bytes that file systems take for one name."""
_LONGEST_PATH = 4000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def problem_of(document: ModelVersion) -> str:
    """What is wrong with it first; empty when nothing is."""
    return next(_problems(document), "")


def problem_of_path(path: str) -> str:
    """Why a file of a version cannot have this relative path; empty when it can."""
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if one_line(path) != path:
        return "its name has characters that cannot be shown"
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "its name leads out of its folder"
    if len(encoded) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        return "its name is too long"
    return ""


def _problems(document: ModelVersion) -> Iterator[str]:
    paths = [file.path for file in document.files]
    if document.v != MODEL_VERSION:
        yield f"it is of version {document.v}, not {MODEL_VERSION}"
    if not 1 <= len(paths) <= MOST_FILES:
        yield f"it has {len(paths)} files, not 1 to {MOST_FILES}"
    if "/" in document.name or problem_of_path(document.name):
        yield f"{in_short(document.name, 100)!r} is no name of a file"
    for path in paths:
        if problem := problem_of_path(path):
            yield f"{in_short(path, 100)!r}: {problem}"
    folders = {"/".join(parts[:end]) for parts in (path.split("/") for path in paths) for end in range(1, len(parts))}
    if len({*paths}) < len(paths) or folders & {*paths}:
        yield "two of its files have one name"
    if any(file.size < 0 or not _DIGEST.fullmatch(file.digest) for file in document.files):
        yield "a file has no digest or no size"
    if document.digest != _digest(document):
        yield f"its digest is not that of its files, {_digest(document)}"
    if document.main and document.main not in paths:
        yield f"it has no file {in_short(document.main, 100)!r}"
    if not all(isfinite(number) for number in document.metrics.values()):
        yield "a metric is no number"
    try:
        msgspec.json.encode(document)
    except UnicodeEncodeError:
        yield "a text in it cannot be written in UTF-8"


def _digest(document: ModelVersion) -> str:
    if document.folder:
        return digest_of_folder({file.path: file.digest for file in document.files})
    return document.files[0].digest if len(document.files) == 1 else "one file's"
