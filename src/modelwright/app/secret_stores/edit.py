"""Changes a manifest's encrypted file of secrets, and tells where every secret is; no verb returns a value."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from modelwright.adapters.secrets import age
from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.secret_stores.section import SecretStoreSection
from modelwright.app.settings.references import NAME
from modelwright.app.whole_file import write_private, write_whole
from modelwright.core.errors.starting import StartError
from modelwright.core.nearest import nearest

MOST = 64 << 10
"""Characters of one secret."""


class Editor:
    """One encrypted file of a manifest."""

    def __init__(self, loaded: LoadedManifest, name: str = "") -> None:
        """`name` may be left out when the manifest has one such store. Raises StartError."""
        self.name, section = _chosen(loaded, name)
        self.path = loaded.base_dir / section.source
        self._identity = section.identity.reveal() if section.identity is not None else ""
        self._recipients = section.recipients

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who can open what is written."""
        return self._recipients or age.recipients_of(self._identity)

    def names(self) -> tuple[str, ...]:
        """What it holds, in order; nothing when there is no file yet. Raises StartError."""
        return tuple(sorted(self._read()))

    def set(self, name: str, value: str) -> bool:
        """Keep a secret; whether it is new. Raises StartError."""
        if NAME.fullmatch(name) is None:
            raise StartError(f"{name!r} is no name of a secret", hint="write letters, digits and underscores")
        if not _is_text(value):
            raise StartError("the value is no text in UTF-8", hint="encode it as text, such as by base64")
        if not value.strip():
            raise StartError("the value is empty", hint="give it by standard input")
        if len(value) > MOST:
            raise StartError(f"the value is longer than {MOST} characters", hint="store a file where files are stored")
        known = self._change(lambda values: {**values, name: value})
        return name not in known

    def remove(self, name: str) -> None:
        """Forget a secret. Raises StartError when there is none."""

        def removed(values: Mapping[str, str]) -> Mapping[str, str]:
            if name not in values:
                close = nearest(name, values)
                hint = f"did you mean {close}?" if close else "see `modelwright secrets list`"
                raise StartError(f"the store {self.name} holds no {name}", hint=hint)
            return {other: value for other, value in values.items() if other != name}

        self._change(removed)

    def rekey(self) -> None:
        """Encrypt everything anew, for those who are recipients now. Raises StartError."""
        self._change(lambda values: values)

    def _change(self, change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> Mapping[str, str]:
        """Of several at once each sees what the one before has written; what was there before."""
        with _alone(self.path.parent):
            before = self._read()
            write_whole(self.path, age.encrypted(change(before), self.recipients), durable=True)
        return before

    def _read(self) -> Mapping[str, str]:
        return age.AgeFile(self.path, identity=self._identity).all() if self.path.exists() else {}


def make_identity(path: Path) -> str:
    """Write a new identity to a file of this user alone; its recipient. Raises StartError when there is a file."""
    secret, recipient = age.new_identity()
    if path.exists():
        raise StartError(f"{path} is there already", hint="name another file: an identity is never overwritten")
    write_private(path, f"# public key: {recipient}\n{secret}\n".encode(), durable=True)
    return recipient


def _chosen(loaded: LoadedManifest, name: str) -> tuple[str, SecretStoreSection]:
    stores = {each: section for each, section in loaded.manifest.secrets.items() if section.kind == "age"}
    if name and name not in stores:
        hint = f"take one of {', '.join(stores)}" if stores else "it is made in the manifest, under `secrets`"
        raise StartError(f"there is no encrypted store {name!r}", hint=hint)
    if not stores:
        hint = "write such as `secrets: {team: {kind: age, source: ./secrets.age, identity: '${file:./age.key}'}}`"
        raise StartError("the manifest has no encrypted store", hint=hint)
    if not name and len(stores) > 1:
        raise StartError("the manifest has several encrypted stores", hint=f"say --store {' or --store '.join(stores)}")
    chosen = name or next(iter(stores))
    if chosen in loaded.stores_off:
        raise StartError(f"the store {chosen} cannot be opened here", hint=loaded.stores_off[chosen])
    return chosen, stores[chosen]


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes of the standard input that are none; the error's text would show the value
        return False
    return True


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
