"""The grammar of `${env:NAME}`, `${secret:NAME}` and the other references in values; it looks nothing up."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

KINDS = ("env", "file", "secret", "service", "gateway", "key")
ON_TARGET = frozenset({"service", "gateway", "key"})
"""What is known on a target alone: a service's address, the gateway's, a key that is made for an app."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
"""Names of variables and secrets: no path can be one."""
_PIECE = r"[A-Za-z0-9_][A-Za-z0-9_.@+=-]{0,127}"
_STORED = re.compile(rf"([a-z0-9](?:[-a-z0-9]{{0,61}}[a-z0-9])?)/{_PIECE}(?:/{_PIECE}){{0,7}}(?:#{_PIECE})?", re.ASCII)
"""A secret of one store: `store/name`, or `store/name#field`."""
_PART = re.compile(r"[a-z][a-z0-9-]{0,62}\.[a-z]+", re.ASCII)
_GATEWAY = re.compile(r"url|host|port", re.ASCII)
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
PATTERN = r"\$\{(env|file|secret):[^}]+\}"
"""For editors: a text that holds a reference."""
_TOKEN = re.compile(r"\$\$\{|\$\{(?P<inside>[^}]*)(?P<end>\}?)")


class Reference(NamedTuple):
    """One `${kind:name}`."""

    kind: str
    """env | file | secret | service | gateway | key."""
    name: str
    """Of a secret: `NAME`, wherever it may be; `store/name` or `store/name#field`, in that store alone. Of a service:
    `postgres.url`; of the gateway: `url`, `host` or `port`; of a key: its name.
    """

    def __str__(self) -> str:
        return f"${{{self.kind}:{self.name}}}"


class BadReferenceError(ValueError):
    """A `${` that cannot be read."""

    def __init__(self, problem: str, *, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def store_of(name: str) -> tuple[str, str]:
    """(store, name there) of a secret's name; the store is empty when it may be in any."""
    store, slash, within = name.partition("/")
    return (store, within) if slash else ("", name)


def split_text(text: str) -> list[str | Reference]:
    """Plain pieces and references, in order; `$${` stands for a plain `${`. Raises BadReferenceError."""
    pieces: list[str | Reference] = []
    plain, end = "", 0
    for match in _TOKEN.finditer(text):
        plain, end = plain + text[end : match.start()], match.end()
        if match["inside"] is None:
            plain += "${"
            continue
        if plain:
            pieces.append(plain)
        pieces.append(_reference(match))
        plain = ""
    plain += text[end:]
    return [*pieces, plain] if plain else pieces


def fill(text: str, look_up: Callable[[Reference], str]) -> str:
    """The text with every reference replaced; raises BadReferenceError, or what `look_up` raises."""
    if "${" not in text:
        return text
    return "".join(piece if isinstance(piece, str) else look_up(piece) for piece in split_text(text))


def references(text: str) -> tuple[Reference, ...]:
    """The references in a text; raises BadReferenceError."""
    if "${" not in text:
        return ()
    return tuple(piece for piece in split_text(text) if isinstance(piece, Reference))


def escaped(text: str) -> str:
    """A text that `fill` turns back into this one, whatever it holds."""
    return text.replace("${", "$${")


def _reference(match: re.Match[str]) -> Reference:
    inside = match["inside"]
    if not match["end"]:
        raise BadReferenceError("`${` has no closing `}`", remedy="close it, or write `$${` for a plain `${`")
    kind, colon, name = inside.partition(":")
    if not colon and NAME.fullmatch(kind):
        raise BadReferenceError(
            f"`${{{inside}}}` does not say where the value comes from",
            remedy=f"write `${{env:{inside}}}`, or `${{secret:{inside}}}` for a secret",
        )
    if kind not in KINDS:
        raise BadReferenceError(
            f"`${{{inside}}}` is not a reference that this version knows",
            remedy="write `${env:NAME}`, `${file:path}` or `${secret:NAME}`, or `$${` for a plain `${`; in variables "
            "of apps also `${service:NAME.url}`, `${gateway:url}` or `${key:NAME}`",
        )
    if not _fits(kind, name):
        word = "path" if kind == "file" else "name"
        raise BadReferenceError(f"{name!r} cannot be the {word} in a `${{{kind}:…}}`", remedy=_NAMES[kind])
    return Reference(kind, name)


_NAMES = {
    "env": "a name holds letters, digits and underscores",
    "file": "name a file",
    "secret": "a name holds letters, digits and underscores; one of a store is `store/name` or `store/name#field`",
    "service": "write a service and what of it, such as `postgres.url`",
    "gateway": "write `url`, `host` or `port`",
    "key": "a name holds 1 to 63 lower-case letters, digits and hyphens",
}
_FORMS = {"service": _PART, "gateway": _GATEWAY, "key": _LABEL}


def _fits(kind: str, name: str) -> bool:
    if kind == "file":
        return bool(name.strip())
    if kind in _FORMS:
        return _FORMS[kind].fullmatch(name) is not None
    return NAME.fullmatch(name) is not None or (kind == "secret" and _STORED.fullmatch(name) is not None)
