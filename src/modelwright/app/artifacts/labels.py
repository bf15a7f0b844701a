"""Reads the names of a model's classes: a text file with one name a line, in the order of their indices."""

from __future__ import annotations

from pathlib import Path

from modelwright.app.artifacts.files import open_file

MOST = 4 << 20
"""Bytes of such a file."""


def read_labels(path: Path) -> tuple[str, ...]:
    """The names; blank lines at the end do not count. Raises ValueError with what is wrong with the file."""
    try:
        with open_file(path) as file:
            content = file.read(MOST + 1)
    except FileNotFoundError:
        raise ValueError("does not exist") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(content) > MOST:
        raise ValueError(f"is larger than {MOST >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"is no text in UTF-8 (byte {error.start})") from None
    lines = text.rstrip().splitlines()
    if not lines:
        raise ValueError("holds no name")
    return tuple(line.strip() for line in lines)
