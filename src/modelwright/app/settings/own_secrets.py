"""Secrets that an installation makes for itself at first use: the pepper of key digests and the salt of traffic splits.

Each is a 0600 file of hex digits in the state directory. Secrets that a person sets come in through `app/settings`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from modelwright.app.settings.settings import PEPPER_NAME
from modelwright.app.whole_file import write_private
from modelwright.core.errors.starting import StartError

PEPPER = "pepper"
SALT = "salt"
_LEAST = 16


def pepper(state: Path, *, configured: str | None = None) -> bytes:
    """The key of key digests: the value that was configured, otherwise the one in `<state>/pepper`.

    Raises StartError when either is too short, or when the file can be read by everybody.
    """
    if configured:
        if len(configured.strip()) < _LEAST:
            raise StartError(f"{PEPPER_NAME} is shorter than {_LEAST} characters", hint="take openssl rand -hex 32")
        return configured.strip().encode()
    return read_or_create(state / PEPPER).encode()


def salt(state: Path) -> str:
    """Hex digits that keep shares of traffic stable over restarts and different between installations."""
    return read_or_create(state / SALT)


def read_or_create(path: Path) -> str:
    """The file's text; at first use 32 random bytes as hex. Of processes that come at once, all get the same."""
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_private(part, secrets.token_hex(32).encode(), durable=True)
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    return _read(path)


def _read(path: Path) -> str:
    if path.stat().st_mode & 0o007:
        raise StartError(f"{path} can be read by every user", hint=f"chmod 600 {path}")
    text = path.read_bytes().decode(errors="replace").strip()
    if len(text) < _LEAST:
        hint = "restore it from a backup, or remove it: a new one is made, and keys and shares made with it are void"
        raise StartError(f"{path} holds no secret", hint=hint)
    return text
