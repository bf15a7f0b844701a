"""The key that a development run has at hand: made once through control, kept 0600 beside the manifest, used again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from modelwright.app.supervise.ask import Answer
from modelwright.app.whole_file import write_whole
from modelwright.core.errors.access import AccessError
from modelwright.core.keys import PREFIX

NAME = "development"

Asking = Callable[[str, str, bytes], Answer]
"""(method, target, body) → answer of control's door."""


class _Listed(msgspec.Struct):
    id: str
    name: str
    tenant: str = "default"
    state: str = "live"
    """live | expired | revoked."""


class _Made(msgspec.Struct):
    key: str


def development_key(state: Path, asking: Asking, *, name: str = NAME) -> str:
    """The key in `<state>/keys/development` while control knows it as live; otherwise a new one, the old one revoked.

    Hosts that share a database each give theirs a `name` of its own.

    Raises AccessError when control refuses, OSError when it does not answer.
    """
    file = state / "keys" / NAME
    live = [row for row in _listed(asking) if row.state == "live" and row.name == name and row.tenant == "default"]
    kept = _read(file)
    if kept and any(row.id == _public_part(kept) for row in live):
        return kept
    for row in live:
        _answered(asking("DELETE", f"/keys/{row.id}", b""))
    body = msgspec.json.encode({"name": name, "tenant": "default", "role": "client"})
    made = msgspec.json.decode(_answered(asking("POST", "/keys", body)), type=_Made)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(file, made.key.encode() + b"\n")
    return made.key


def _listed(asking: Asking) -> list[_Listed]:
    return msgspec.json.decode(_answered(asking("GET", "/keys", b"")), type=list[_Listed])


def _answered(answer: Answer) -> bytes:
    if answer.status >= 400:
        raise AccessError(f"control answered {answer.status}: {answer.body[:200].decode(errors='replace')}")
    return answer.body


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except OSError:
        return ""


def _public_part(key: str) -> str:
    return key.removeprefix(PREFIX).partition("-")[0]
