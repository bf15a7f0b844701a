"""The reference of the manifest, from its schema and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from docs.reference_pages.markdown import table
from modelwright.app.document.tree import Path
from modelwright.app.manifest.later import LATER
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import DURATION_PATTERN, NAME_PATTERN, SIZE_PATTERN, Section
from modelwright.app.manifest.shape import (
    ANYTHING,
    annotation_at,
    bare,
    every_field,
    pattern_at,
    section_of,
    twin_of,
)

_INTRO = """# Manifest

<!-- Written by docs/generate.py from src/modelwright/app/manifest/sections/: change that and run `make docs`. -->

`modelwright.yaml` says what should run. It is YAML 1.2, so `on`, `off`, `yes` and `no` are words. Unknown keys are
faults, and `modelwright check` names every fault at once, with its line and what to do. The file
[modelwright.example.yaml](../../modelwright.example.yaml) shows every key in use; `modelwright schema` prints the JSON
Schema for editors. Kinds of providers are listed in [Providers](providers.md).

* A key that is left out, or has no value, has its default.
* A *name* is a DNS label: lower-case letters, digits and hyphens, at most 63 characters.
* A *duration* is a number with `ms`, `s`, `m`, `h` or `d`; a *size* one with `B`, `KiB`, `MiB`, `GiB` (1024s) or `kB`,
  `MB`, `GB` (1000s).
* Relative paths start at the manifest's folder. State lives in `.modelwright/` there.
"""

_OUTSIDE = """## Values from outside

| written | stands for |
|---|---|
| `${env:NAME}` | a variable: the process's environment, then `.env.<environment>`, then `.env`, beside the manifest |
| `${file:path}` | the text of a file, without the line end |
| `${secret:NAME}` | a secret: likewise, then `/run/secrets/NAME`, then `.modelwright/secrets/<environment>/NAME`, \
then the stores under `secrets` |
| `${secret:store/name}` | a secret of that store alone |
| `${secret:store/name#field}` | a field of one that is a JSON map |
| `$${` | a plain `${` |

A secret may stand only where this page says so, such as under `keys` of a provider; it is looked up by the process that
needs it, and written down nowhere. A value that is missing or empty is a fault, or turns an `optional` provider off. A
literal API key is a fault outside `development`.

## Environments

`environments` holds an overlay each for `development`, `test` and `production`, chosen by `--env`, otherwise by
`MODELWRIGHT_ENV`, otherwise `development`. Maps merge, lists and values replace, and null deletes. A run never opens
another environment's `.env` file or secrets.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_INTRO, *_sections(), _OUTSIDE, _later()])


def _sections() -> Iterator[str]:
    sections: dict[Path, list[tuple[Path, FieldInfo]]] = {(): []}
    for path, field in every_field():
        parent = path[:-1]
        if path == ("environments",):
            continue
        if section_of(field) is None or _twin(path):
            sections.setdefault(parent, []).append((path, field))
        else:
            sections.setdefault(path if get_origin(bare(field.annotation)) is not dict else (*path, ANYTHING), [])
    for place, fields in sections.items():
        if fields:
            yield _section(place, fields)


def _section(place: Path, fields: list[tuple[Path, FieldInfo]]) -> str:
    title = f"## `{_shown(place)}`" if place else "## The top of the file"
    rows = [(f"`{path[-1]}`", _kind(path, field), _default(field), field.description or "") for path, field in fields]
    return f"{title}\n\n{_about(place)}\n\n{table(('key', 'value', 'default', 'meaning'), rows)}"


def _about(place: Path) -> str:
    section: Any = Manifest
    for step in place:
        if step != ANYTHING:
            section = section_of(_fields(section)[str(step)]) or section
    return (section.__doc__ or "").strip()


def _fields(section: type[Section]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _twin(path: Path) -> str:
    """The key beside this one that has the same fields below it, and is told of there."""
    return twin_of(str(path[-1]), bare(annotation_at(path[:-1])))


def _shown(place: Path) -> str:
    return ".".join("<name>" if step == ANYTHING else str(step) for step in place)


def _kind(path: Path, field: FieldInfo) -> str:
    inner = bare(field.annotation)
    if twin := _twin(path):
        return f"{'map of such as' if get_origin(inner) is dict else 'as'} `{twin}`"
    pattern = pattern_at(path)
    if pattern:
        return {DURATION_PATTERN: "duration", SIZE_PATTERN: "size"}.get(pattern, "`host:port`")
    if get_origin(inner) is Literal:
        return " \\| ".join(f"`{choice}`" for choice in get_args(inner))
    if inner in {int, float}:
        return ("whole number" if inner is int else "number") + _bounds(field)
    if inner is bool:
        return "`true` \\| `false`"
    if get_origin(inner) is tuple:
        return "list of references to secrets" if get_args(inner)[0] is Secret else "list"
    if get_origin(inner) is dict:
        return "map"
    return "name" if any(getattr(item, "pattern", "") == NAME_PATTERN for item in field.metadata) else "text"


def _bounds(field: FieldInfo) -> str:
    low = next((item.ge for item in field.metadata if isinstance(item, Ge)), None)
    high: Any = next((item.le for item in field.metadata if isinstance(item, Le)), None)
    if low is None:
        return ""
    return f", {low} to {high:g}" if high is not None and high < 1 << 20 else f", at least {low}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value in (None, "", (), {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else f'{value:g}' if isinstance(value, float) else value}`"


def _later() -> str:
    rows = [(f"`{_shown(later.path)}`", f"{later.remedy[:1].upper()}{later.remedy[1:]}.") for later in LATER]
    intro = "These keys have their meaning already, and are refused until they do what they say."
    return f"## Not available in this version\n\n{intro}\n\n{table(('key', 'meanwhile'), rows)}"
