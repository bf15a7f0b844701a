"""Keeps the annotated example the schema's twin: it loads, holds every field, and states the real defaults."""

import re

import pytest
from pydantic.fields import FieldInfo

from modelwright.app.document.parse import parse
from modelwright.app.document.tree import Path, dotted
from modelwright.app.manifest.later import find
from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.app.manifest.sections.section import Section
from modelwright.app.manifest.shape import annotation_at, bare, every_field, twin_of
from tests.house.files import ROOT

EXAMPLE = ROOT / "modelwright.example.yaml"
LINES = EXAMPLE.read_text("utf-8").splitlines()
TREE, _ = parse(EXAMPLE.read_text("utf-8"))
FIELDS = list(every_field())
MAPS = {"models", "providers", "secrets", "prompts", "endpoints", "apps", "services", "routes", "targets"}


def is_section(field: FieldInfo) -> bool:
    inner = bare(field.annotation)
    return isinstance(inner, type) and issubclass(inner, Section)


def stated(path: Path) -> list[str]:
    """What the comments beside the field say of its default, at every place where it stands."""
    found: list[str] = []
    for _, node in find(TREE, path):
        _, _, comment = LINES[node.key_line - 1].partition("  #")
        match = re.search(r"\((default:? [^)]+|required)\)[^()]*$", comment)
        if match:
            found.append(match[1].removeprefix("default").strip(": "))
    return found


def real(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value in (None, "", (), {}):
        return "none"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def test_it_loads_on_a_fresh_machine() -> None:
    assert load_manifest(EXAMPLE, env={}).off == {
        "openai": "set OPENAI_API_KEY",
        "azure": "set AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY",
        "claude": "set ANTHROPIC_API_KEY",
    }
    report = check_manifest(EXAMPLE, env={})
    assert (report.faults, report.warnings) == ((), ())


@pytest.mark.parametrize(("path", "field"), FIELDS, ids=[dotted(path) for path, _ in FIELDS])
def test_every_field_appears(path: Path, field: FieldInfo) -> None:
    assert list(find(TREE, path)), f"{dotted(path)} is missing: {field.description}"


@pytest.mark.parametrize(("path", "field"), FIELDS, ids=[dotted(path) for path, _ in FIELDS])
def test_every_default_in_the_prose_is_the_real_one(path: Path, field: FieldInfo) -> None:
    said = stated(path)
    if path == ("models", "*", "engine", "kind"):
        assert said == ["by the file's content"]
    elif path == ("store", "database"):
        assert said == ["sqlite"]
    elif (is_section(field) and not twin_of(str(path[-1]), bare(annotation_at(path[:-1])))) or (
        len(path) == 1 and path[0] in MAPS
    ):
        assert not said
    else:
        assert said == [real(field)]
