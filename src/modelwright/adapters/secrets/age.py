"""Secrets in a file that age has encrypted: a JSON map of names and values, so that `age -d` reads it too.

It is read and written whole. Who may open it are X25519 recipients, one per person or machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyrage as library

from modelwright.adapters.secrets.fields import pick, split_name
from modelwright.core.errors.starting import StartError

pyrage: Any = library
"""Compiled, and without types."""
MOST = 1 << 20
"""Bytes of a file."""
_MARK = "AGE-SECRET-KEY-1"


class AgeFile:
    """One encrypted file; decrypted again only when it has changed."""

    def __init__(self, path: Path, *, identity: str) -> None:
        """`identity` is as age-keygen writes it, comments included. Raises StartError when it is none."""
        self._path = path
        self._identities = identities(identity)
        self._content: bytes | None = None
        self._values: Mapping[str, str] = {}

    def read(self, names: Collection[str]) -> Mapping[str, str]:
        values = self.all()
        found = {name: pick(values[split_name(name)[0]], name) for name in names if split_name(name)[0] in values}
        return {name: value for name, value in found.items() if value is not None}

    def all(self) -> Mapping[str, str]:
        """Everything in it. Raises StartError."""
        content = _read(self._path)
        if content != self._content:
            self._values = _decoded(self._decrypted(content), self._path)
            self._content = content
        return self._values

    def close(self) -> None:
        """Nothing is held open."""

    def _decrypted(self, content: bytes) -> bytes:
        try:
            return pyrage.decrypt(content, self._identities)
        except pyrage.DecryptError as error:
            if "No matching keys" in str(error):
                problem = f"{self._path} is not encrypted for this identity"
                hint = "name an identity whose recipient it was written for, or have somebody add yours"
            else:
                problem = f"{self._path} is no file of age, or is damaged: {error}"
                hint = "take it from a backup, or make it anew: modelwright secrets set NAME"
            raise StartError(problem, hint=hint) from None


def identities(text: str) -> list[Any]:
    """Those in a text as age-keygen writes it. Raises StartError, which shows nothing of it."""
    hint = "make one: modelwright secrets identity FILE, or age-keygen"
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise StartError("the identity is empty", hint=hint)
    if not all(line.startswith(_MARK) for line in lines):
        raise StartError(f"the identity does not begin with {_MARK}", hint=hint)
    try:
        return [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        raise StartError("the identity is damaged", hint=hint) from None


def new_identity() -> tuple[str, str]:
    """(what keeps it, who is meant by it): an identity and its recipient."""
    made = pyrage.x25519.Identity.generate()
    return str(made), str(made.to_public())


def recipients_of(identity: str) -> tuple[str, ...]:
    """The recipients of these identities. Raises StartError."""
    return tuple(str(one.to_public()) for one in identities(identity))


def encrypted(values: Mapping[str, str], recipients: Sequence[str]) -> bytes:
    """The file's content, as text (armoured), so that it can be kept beside the manifest. Raises StartError."""
    try:
        known = [pyrage.x25519.Recipient.from_str(text) for text in recipients]
    except pyrage.RecipientError:
        raise StartError("a recipient is no X25519 public key", hint="write age1…, as age-keygen prints it") from None
    plain = msgspec.json.format(msgspec.json.encode(dict(sorted(values.items()))), indent=2)
    return pyrage.encrypt(plain + b"\n", known, armored=True)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except FileNotFoundError:
        raise StartError(f"{path} is not there", hint="make it: modelwright secrets set NAME") from None
    except OSError as error:
        raise StartError(f"{path} cannot be read: {error.strerror}", hint="let this user read it") from None
    if len(content) > MOST:
        raise StartError(f"{path} is larger than {MOST >> 20} MiB", hint="keep secrets alone in it")
    return content


def _decoded(plain: bytes, path: Path) -> dict[str, str]:
    """Never says what stands in it."""
    try:
        return msgspec.json.decode(plain, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise StartError(
            f"{path} does not hold a JSON map of names and texts", hint='encrypt such as {"NAME": "value"}'
        ) from None
