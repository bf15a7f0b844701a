"""Keeps modules, functions and folders small, named by what they are, and introduced by one sentence."""

import ast
from pathlib import Path

import pytest

from tests.house.files import ROOT, SOURCE, modules, programs

MODULE_LINES = 400
FUNCTION_LINES = 50
FOLDER_FILES = 12
UNIFORM_SIBLINGS = ("cli", "gateway/policies", "adapters/*", "adapters/stores/migrations/versions", "evaluate/scorers")
VAGUE = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc", "shared"}


@pytest.mark.parametrize("module", programs(), ids=str)
def test_module_fits_its_budget(module: Path) -> None:
    text = (ROOT / module).read_text("utf-8")
    lines = len(text.splitlines())
    assert lines <= MODULE_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: _lines(node) for node in functions if _lines(node) > FUNCTION_LINES}
    assert not long, f"longer than {FUNCTION_LINES} lines: {long}"


@pytest.mark.parametrize("module", modules(), ids=str)
def test_module_begins_with_one_sentence(module: Path) -> None:
    text = (ROOT / module).read_text("utf-8")
    if module.name == "__init__.py" and not text.strip():
        return
    doc = ast.get_docstring(ast.parse(text))
    assert doc, "no docstring: say in one sentence what the module is for and what it does not do"
    first = doc.split("\n\n", maxsplit=1)[0]
    assert first.endswith("."), f"the first paragraph is one sentence and ends with a full stop: {first!r}"


def test_folder_fits_its_budget() -> None:
    uniform = {folder for pattern in UNIFORM_SIBLINGS for folder in SOURCE.glob(pattern)}
    counts = {
        str(folder.relative_to(ROOT)): len([path for path in folder.glob("*.py") if path.name != "__init__.py"])
        for folder in [SOURCE, *SOURCE.rglob("*")]
        if folder.is_dir() and folder not in uniform
    }
    assert not {folder: count for folder, count in counts.items() if count > FOLDER_FILES}


def test_names_say_what_things_are() -> None:
    parts = {part for module in modules() for part in module.with_suffix("").parts}
    assert not {part for part in parts if part.strip("_") in VAGUE}


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first decorator to the end, the docstring aside: saying more is not a fault."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    doc = node.body[0] if ast.get_docstring(node) is not None else None
    return (node.end_lineno or first) - first + 1 - (((doc.end_lineno or 0) - doc.lineno + 1) if doc else 0)
