"""A section of the manifest as plain values: the same for the same meaning, whatever its file looks like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modelwright.app.document.tree import Path
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import Section
from modelwright.app.manifest.shape import fields_of
from modelwright.app.settings.references import escaped

Hide = Callable[[Path, Secret], str]
"""(place, value) → the text that stands there instead."""


def plain_of(value: Any, hide: Hide, path: Path = ()) -> Any:
    """Without what is as by default, and with every secret as `hide` puts it."""
    match value:
        case Section():
            return {
                name: plain_of(held, hide, (*path, name))
                for name, field in fields_of(type(value)).items()
                if (held := _held(value, name)) != field.get_default(call_default_factory=True)
            }
        case Secret():
            return hide(path, value)
        case str():
            return escaped(value)
        case Mapping():
            return {str(key): plain_of(held, hide, (*path, str(key))) for key, held in value.items()}
        case list() | tuple():
            return [plain_of(held, hide, (*path, index)) for index, held in enumerate(value)]
        case _:
            return value


def _held(section: Section, name: str) -> Any:
    """What stands in a field by the name that it has in the file."""
    fields = type(section).model_fields
    return next(getattr(section, own) for own, field in fields.items() if (field.alias or own) == name)
