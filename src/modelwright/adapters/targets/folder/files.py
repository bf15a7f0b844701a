"""Files of releases by digest, as instances find them: read-only, and secrets for one user alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from modelwright.adapters.targets.folder import safe
from modelwright.adapters.targets.kept import EVERYBODY, Deliver
from modelwright.core.deploying.workloads import Desired
from modelwright.core.errors.deploying import DeployError

_IN_ADDRESS = re.compile(rb"://[^:/@\s]*:([^@\s/]+)@")
"""The password in an address."""
_SHORTEST = 4
"""Bytes of a secret that is looked for in a text: shorter ones are in every text."""


class Files:
    """Those of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lacking(self, files: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        return [(digest, user) for digest, user in files if not self.path(digest, user).exists()]

    def deliver(self, one: Deliver) -> None:
        """Pieces come in order; after the last one the file is there. Its digest is its name, and is not looked at:
        that of a secret cannot be made without the salt.
        """
        self._folder.mkdir(mode=0o711, exist_ok=True)
        part = self._folder / f"incoming-{file_name(one.digest, one.user)}"
        with part.open("wb" if one.offset == 0 else "r+b") as file:
            if file.seek(0, os.SEEK_END) != one.offset:
                raise DeployError(f"the pieces of {one.digest} did not come in order", hint="deploy again")
            os.fchmod(file.fileno(), 0o600)
            file.write(one.piece)
            if not one.last:
                return
            file.flush()
            if one.user != EVERYBODY and one.user != os.geteuid():
                os.fchown(file.fileno(), one.user, -1)
            os.fchmod(file.fileno(), 0o444 if one.user == EVERYBODY else 0o400)
            os.fsync(file.fileno())
        part.replace(self.path(one.digest, one.user))
        safe.sync(self._folder)

    def keep(self, releases: Iterable[Desired]) -> None:
        """Those of these, and no others."""
        needed = {mount.digest for one in releases for work in one.workloads for mount in work.mounts if mount.digest}
        for path in self._held():
            if f"sha256:{path.name.partition('-')[0]}" not in needed:
                path.unlink(missing_ok=True)

    def read(self, digest: str) -> bytes:
        """A secret or another file, whoever it is for. Raises FileNotFoundError."""
        name = file_name(digest, EVERYBODY)
        found = next((path for path in self._held() if path.name.partition("-")[0] == name), self._folder / name)
        return found.read_bytes()

    def masked(self, text: str) -> str:
        """With `***` for every secret that is in it, and for every line of one."""
        secrets = {path.read_bytes() for path in self._held() if "-" in path.name}
        pieces = {
            piece.strip()
            for secret in secrets
            for piece in (secret, *secret.splitlines(), *_IN_ADDRESS.findall(secret))
        }
        for piece in sorted(pieces, key=len, reverse=True):
            if len(piece) >= _SHORTEST:
                text = text.replace(piece.decode("utf-8", "replace"), "***")
        return text

    def path(self, digest: str, user: int) -> Path:
        return self._folder / file_name(digest, user)

    def _held(self) -> list[Path]:
        return [path for path in self._folder.glob("*") if not path.name.startswith("incoming-")]


def file_name(digest: str, user: int) -> str:
    """In the folder `files`; a secret's has the number of its user behind it."""
    name = digest.removeprefix("sha256:")
    if not name.isalnum():
        raise DeployError(f"{digest!r} is no digest of a file", hint="deploy again")
    return name if user == EVERYBODY else f"{name}-{user}"
