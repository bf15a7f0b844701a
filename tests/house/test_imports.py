"""Keeps importing cheap: importing does nothing, `--help` and a gateway worker load no library that they do not use."""

import subprocess
import sys
from importlib import import_module

import pytest

import modelwright

# Engines, stores and web frameworks: whoever chooses them pays for them.
HEAVY = {
    "aiohttp", "aiosqlite", "alembic", "boto3", "botocore", "fastapi", "gguf", "huggingface_hub", "hvac", "jinja2",
    "numpy", "onnxruntime", "openvino", "openvino_genai", "prometheus_client", "pydantic", "pyrage", "requests",
    "ruamel", "sqlalchemy", "starlette", "tokenizers", "torch", "uvicorn",
}  # fmt: skip
NOT_IN_A_GATEWAY = {
    "aiosqlite", "alembic", "boto3", "botocore", "cryptography", "fastapi", "hvac", "jinja2", "joserfc", "numpy",
    "onnxruntime", "openvino", "pydantic", "pygments", "pyrage", "requests", "rich", "ruamel", "sqlalchemy",
    "starlette", "typer",
}  # fmt: skip


def loaded_by(program: str) -> set[str]:
    """Top-level packages that a fresh interpreter holds after the program."""
    report = "import sys; print('\\n'.join(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    script = f"try:\n    {program}\nfinally:\n    {report}"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stderr.split())


def test_help_loads_nothing_heavy() -> None:
    program = "import sys; sys.argv = ['modelwright', '--help']; from modelwright.cli.main import main; main()"
    assert not loaded_by(program) & HEAVY


def test_a_gateway_worker_loads_no_database_and_no_framework() -> None:
    assert not loaded_by("import modelwright.app.workers.gateway") & NOT_IN_A_GATEWAY


def test_the_front_door_loads_nothing_by_itself() -> None:
    loaded = loaded_by("import modelwright") - loaded_by("pass")
    assert loaded - sys.stdlib_module_names == {"modelwright"}


@pytest.mark.parametrize("name", modelwright.__all__)
def test_the_front_door_opens(name: str) -> None:
    assert getattr(modelwright, name) is not None


def test_the_front_door_shows_what_it_names() -> None:
    visible = {name for name in dir(modelwright) if not name.startswith("_") or name == "__version__"}
    assert visible == set(modelwright.__all__)
    assert list(modelwright.__all__) == sorted(modelwright.__all__)


def test_the_version_is_the_installed_one() -> None:
    metadata = import_module("importlib.metadata")
    assert metadata.version("modelwright") == modelwright.__version__
