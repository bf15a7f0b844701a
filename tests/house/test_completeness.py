"""Checks that the reference leaves out nothing that a user meets; whether its pages are fresh is checked elsewhere."""

import re
from functools import cache
from typing import Any

import pytest
from typer.main import get_command

from docs.reference_pages.errors import every_error
from modelwright.adapters.providers.table import KINDS
from modelwright.app.manifest.shape import ANYTHING, every_field
from modelwright.cli.main import VERBS, app
from modelwright.core.contracts.ledger import OUTCOMES, LedgerRow
from modelwright.core.errors.tree import ModelwrightError
from tests.house.files import ROOT, modules

PATHS = [path for path, _ in every_field()]
METRIC = re.compile(r"\"(modelwright_(?!toy)[a-z]+(?:_[a-z]+)*)\"")


def metrics() -> list[str]:
    """Names that stand in the code; those to which a library adds `_total` stand there without it."""
    return sorted({name for module in modules() for name in METRIC.findall((ROOT / module).read_text("utf-8"))})


def shown(path: tuple[Any, ...]) -> str:
    return ".".join("<name>" if step == ANYTHING else str(step) for step in path)


@cache
def reference(page: str) -> str:
    return (ROOT / "docs" / "reference" / page).read_text("utf-8")


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_command_is_named_with_all_of_its_options(verb: str) -> None:
    section = reference("cli.md").partition(f"## `modelwright {verb}`")[2].partition("\n## ")[0]
    root: Any = get_command(app)
    command = root.get_command(None, verb)
    for one in [command, *getattr(command, "commands", {}).values()]:
        options = {name for parameter in one.params for name in parameter.opts if name.startswith("-")}
        assert not {name for name in options if name not in section}


@pytest.mark.parametrize("error", every_error())
def test_error_is_named(error: type[ModelwrightError]) -> None:
    assert f"`{error.code}`" in reference("errors.md")


@pytest.mark.parametrize("name", metrics())
def test_metric_is_named(name: str) -> None:
    assert f"`{name}" in reference("metrics.md")


@pytest.mark.parametrize("name", [*LedgerRow.__struct_fields__, *OUTCOMES])
def test_field_and_outcome_of_the_ledger_is_named(name: str) -> None:
    assert f"| `{name}` |" in reference("ledger.md")


@pytest.mark.parametrize("kind", KINDS)
def test_kind_of_provider_is_named(kind: str) -> None:
    assert f"`{kind}`" in reference("providers.md")


@pytest.mark.parametrize("path", PATHS, ids=shown)
def test_manifest_key_is_named(path: tuple[Any, ...]) -> None:
    sections = [section.split("\n", maxsplit=1) for section in reference("manifest.md").split("\n## ")[1:]]
    place = f"`{shown(path[:-1])}`" if path[:-1] else "The top of the file"
    rows = [body for title, body in sections if title == place]
    titles = [title for title, _ in sections]
    has_section = any(
        title.startswith((f"`{shown(path)}`", f"`{shown(path)}.", path[-1].capitalize())) for title in titles
    )
    assert has_section or any(f"| `{path[-1]}` |" in body for body in rows)
