"""Checks that the reference names all that a user meets: commands, errors, keys of the manifest, and their defaults."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from typer.main import get_command

from docs.generate import stale
from modelwright.app.manifest.load import load_manifest
from modelwright.app.manifest.shape import ANYTHING, every_field
from modelwright.cli.main import VERBS, app
from modelwright.core import errors
from tests.house.files import ROOT

EXAMPLE = ROOT / "modelwright.example.yaml"
FIELDS = {path: field for path, field in every_field() if path[-1] != ANYTHING}
DEFAULT = re.compile(r"\((default:? (?P<value>[^()]*(?:\([^()]*\))?)|(?P<required>required))\)$")


@cache
def reference(page: str) -> str:
    return (ROOT / "docs" / "reference" / page).read_text("utf-8")


def shown(path: tuple[Any, ...]) -> str:
    return ".".join("<name>" if step == ANYTHING else str(step) for step in path)


def test_generated_pages_are_fresh() -> None:
    assert stale() == [], "run: make docs"


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_command_is_named_with_all_of_its_options(verb: str) -> None:
    assert f"## `modelwright {verb}`" in reference("cli.md")
    command: Any = get_command(app)
    command = command.get_command(None, verb)
    for one in [command, *getattr(command, "commands", {}).values()]:
        for option in (name for parameter in one.params for name in parameter.opts if name.startswith("-")):
            assert option in reference("cli.md")


@pytest.mark.parametrize(
    "error",
    [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.ModelwrightError)
    ],
)
def test_error_is_named(error: type[errors.ModelwrightError]) -> None:
    if error is errors.ModelwrightError:
        return
    assert f"`{error.code}`" in reference("errors.md")


@pytest.mark.parametrize("path", FIELDS, ids=shown)
def test_manifest_key_is_named(path: tuple[Any, ...]) -> None:
    sections = reference("manifest.md").split("\n## ")
    assert any(
        section.startswith((f"`{shown(path)}", f"`{shown((*path, ANYTHING))}", path[-1].capitalize()))
        or (section.startswith(_title(path[:-1])) and f"| `{path[-1]}` |" in section)
        for section in sections
    ), f"{shown(path)} is not in docs/reference/manifest.md"


@pytest.mark.parametrize("environment", ["development", "test", "production"])
def test_example_is_a_manifest_without_faults(environment: str) -> None:
    loaded = load_manifest(EXAMPLE, environment=environment, env={})
    assert loaded.faults == ()
    assert set(loaded.off) == {name for name, provider in loaded.manifest.providers.items() if provider.optional}


@pytest.mark.parametrize("path", FIELDS, ids=shown)
def test_example_tells_the_key_and_its_default(path: tuple[Any, ...]) -> None:
    comments = [comment for found, comment in _entries() if found == path]
    assert comments, f"{shown(path)} is not in {EXAMPLE.name}"
    told = [match for comment in comments if (match := DEFAULT.search(comment))]
    field = FIELDS[path]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return
    assert told or default == {}, f"{shown(path)}: no comment tells the default"
    for match in told:
        assert bool(match["required"]) == field.is_required(), f"{shown(path)}: is it required?"
        assert match["required"] or match["value"] in _spellings(default), f"{shown(path)}: default {default!r}"


def _title(path: tuple[Any, ...]) -> str:
    return f"`{shown(path)}`" if path else "The top of the file"


def _spellings(default: Any) -> set[str]:
    """How a comment may write a default."""
    if default is None or default in ("", (), {}):
        return {"none", "by the file's content"}
    if isinstance(default, bool):
        return {str(default).lower()}
    return {f"{default:g}" if isinstance(default, float) else str(default)}


@cache
def _entries() -> tuple[tuple[tuple[Any, ...], str], ...]:
    """Each key of the example as a path of the schema, with the comment on its line."""
    return tuple(_walk(YAML().load(EXAMPLE), (), EXAMPLE.read_text("utf-8").splitlines()))


def _walk(section: CommentedMap, path: tuple[Any, ...], lines: list[str]) -> Iterator[tuple[tuple[Any, ...], str]]:
    for key, value in section.items():
        here = (*path, key if (*path, key) in FIELDS else ANYTHING)
        line = lines[section.lc.key(key)[0]]
        yield here, line.partition(" # ")[2].strip()
        if isinstance(value, CommentedMap):
            yield from _walk(value, here, lines)
