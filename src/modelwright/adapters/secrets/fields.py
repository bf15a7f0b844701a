"""A field of a secret that is a JSON map, as names with `#` ask for it; it asks nobody."""

from __future__ import annotations

import msgspec

from modelwright.core.errors.starting import StartError


def split_name(name: str) -> tuple[str, str]:
    """(secret, field); the field is empty when the whole is meant."""
    secret, _, field = name.partition("#")
    return secret, field


def pick(text: str, name: str) -> str | None:
    """What a name means of its secret's text; None when there is no such field. Raises StartError."""
    secret, field = split_name(name)
    if not field:
        return text
    try:
        value = msgspec.json.decode(text, type=dict[str, object]).get(field)
    except msgspec.MsgspecError:
        raise StartError(f"{secret} is no JSON map, so it has no field {field}", hint=f"write {secret} alone") from None
    return as_text(value, name)


def as_text(value: object, name: str) -> str | None:
    """A value as text; None when there is none. Raises StartError for what is no text, without showing it."""
    if value is None or isinstance(value, str):
        return value
    raise StartError(f"{name} is no text", hint="store it as a string")
