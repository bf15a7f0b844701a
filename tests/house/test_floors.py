"""Holds the house's law: floors import downwards, rooms of one floor never meet, core is pure."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.files import ROOT, SOURCE, modules

# What core may not touch: clocks, randomness and the world come in through ports.
IO_MODULES = {
    "ftplib", "http", "multiprocessing", "requests", "select", "selectors", "shelve", "shutil", "smtplib", "socket",
    "socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "urllib.request",
}  # fmt: skip


class Imports(ast.NodeVisitor):
    """Names that a module imports when it runs; imports for the type checker alone do not count."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        branches = node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else [*node.body, *node.orelse]
        for child in branches:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        self.names.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.names.add(node.module or "")


def imported(module: Path) -> set[str]:
    visitor = Imports()
    visitor.visit(ast.parse(module.read_text("utf-8")))
    return visitor.names


def test_contracts_of_import_linter_are_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("module", modules("core"), ids=str)
def test_core_is_standard_library_and_msgspec_without_io(module: Path) -> None:
    names = imported(ROOT / module)
    allowed = sys.stdlib_module_names | {"msgspec", "modelwright"}
    assert not {name for name in names if name.split(".", maxsplit=1)[0] not in allowed}
    assert not names & IO_MODULES


@pytest.mark.parametrize("room", ["gateway", "serving"])
def test_rooms_import_no_engine(room: str) -> None:
    engines = {"onnxruntime", "openvino", "openvino_genai", "torch", "sklearn", "tokenizers", "transformers", "gguf"}
    found = {(str(module), name) for module in modules(room) for name in imported(ROOT / module)}
    assert not {(module, name) for module, name in found if name.split(".", maxsplit=1)[0] in engines}


def test_every_room_is_a_package() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    assert not sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists())


def test_one_module_reads_the_environment() -> None:
    readers = {
        str(module)
        for module in modules()
        for node in ast.walk(ast.parse((ROOT / module).read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "getenvb"}
    }
    assert readers == {"src/modelwright/app/settings/settings.py"}
