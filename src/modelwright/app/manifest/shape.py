"""Questions about the schema by path: which keys are known there, and what kind of value; it reads no file."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import WithJsonSchema
from pydantic.fields import FieldInfo

from modelwright.app.document.tree import Path, Scalar, scalar
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import Section

ANYTHING = "*"
"""In a path: every name."""


def annotation_at(path: Path, section: type[Section] = Manifest) -> Any:
    """The declared type at a path; None when the schema knows nothing there."""
    here: Any = section
    for step in path:
        here = _below(here, step)
        if here is None:
            return None
    return here


def keys_at(path: Path) -> tuple[str, ...]:
    """The known keys of the section at a path; none where names are free."""
    section = bare(annotation_at(path))
    return tuple(fields_of(section)) if _is_section(section) else ()


def is_secret(path: Path) -> bool:
    """Whether what stands at a path is never shown."""
    declared = bare(annotation_at(path))
    return declared is Secret or (get_origin(declared) is tuple and bare(get_args(declared)[0]) is Secret)


def pattern_at(path: Path) -> str:
    """The form that a text has at a path, such as that of a duration; empty when it is free."""
    fields = fields_of(bare(annotation_at(path[:-1]))) if path and keys_at(path[:-1]) else {}
    field = fields.get(str(path[-1])) if path else None
    forms = [item for item in field.metadata if isinstance(item, WithJsonSchema)] if field is not None else []
    return str((forms[0].json_schema or {}).get("pattern", "")) if forms else ""


def fields_of(section: type[Section]) -> dict[str, FieldInfo]:
    """The fields by the names that stand in the file."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def every_field(section: type[Section] = Manifest, path: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Each field of the schema with its path, in order; `*` stands for a name that the user chooses.

    Where several keys of a section have the same fields, these are told at the first.
    """
    for name, field in fields_of(section).items():
        here = (*path, name)
        yield here, field
        inner = section_of(field)
        if inner is not None and not twin_of(name, section):
            yield from every_field(inner, here if _is_section(bare(field.annotation)) else (*here, ANYTHING))


def section_of(field: FieldInfo) -> type[Section] | None:
    """What stands below a field, or below each of its names; None when that is no section."""
    inner = bare(field.annotation)
    if get_origin(inner) is dict:
        inner = bare(get_args(inner)[1])
    return inner if _is_section(inner) else None


def twin_of(name: str, section: type[Section]) -> str:
    """The first key of a section that has the same fields below it as this later one; empty when there is none."""
    fields = fields_of(section)
    inner = section_of(fields[name])
    first = next((other for other, field in fields.items() if inner and section_of(field) is inner), name)
    return "" if first == name else first


def typed(text: str, path: Path) -> Scalar:
    """A text that came from outside, as the type that its place declares: a number for a number's place."""
    declared = bare(annotation_at(path))
    allowed = {type(choice) for choice in get_args(declared)} if get_origin(declared) is Literal else {declared}
    if allowed & {int, float, bool}:
        return scalar(text.strip())
    return text


def _below(declared: Any, step: str | int) -> Any:
    declared = bare(declared)
    if _is_section(declared):
        field = fields_of(declared).get(str(step))
        return None if field is None else field.annotation
    arguments = get_args(declared)
    if get_origin(declared) is dict and arguments:
        return arguments[1]
    if get_origin(declared) is tuple and isinstance(step, int):
        return arguments[0]
    return None


def bare(declared: Any) -> Any:
    """Without `Annotated` and without `| None`."""
    while get_origin(declared) is Annotated:
        declared = get_args(declared)[0]
    if get_origin(declared) in {Union, UnionType}:
        rest = [choice for choice in get_args(declared) if choice is not NoneType]
        return bare(rest[0]) if len(rest) == 1 else declared
    return declared


def _is_section(declared: Any) -> bool:
    return isinstance(declared, type) and issubclass(declared, Section)
