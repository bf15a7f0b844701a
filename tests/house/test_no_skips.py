"""Proves the rule of the build server by running pytest on small files: a skip fails by name, unless it needs a GPU."""

import os
import subprocess
import sys
from pathlib import Path

from tests.house.files import ROOT

FILE = """
import pytest

@pytest.mark.skip(reason="later")
def test_skipped(): ...

@pytest.mark.gpu
def test_of_gpu():
    pytest.skip("no GPU")

@pytest.fixture
def machine():
    pytest.skip("no machine")

def test_with_fixture(machine): ...

@pytest.mark.xfail(strict=False)
def test_expected_to_fail():
    raise ValueError

def test_passing(): ...
"""


def run(folder: Path, *, no_skips: bool) -> "subprocess.CompletedProcess[str]":
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text("utf-8"), "utf-8")
    (folder / "test_some.py").write_text(FILE, "utf-8")
    (folder / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module_here')\n", "utf-8")
    environment = {**os.environ, "MODELWRIGHT_NO_SKIPS": "1" if no_skips else ""}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-rA",
        "-p",
        "no:cacheprovider",
        "-o",
        "markers=gpu: needs one",
        "--rootdir=.",
    ]
    return subprocess.run(
        [*command, "-c", os.devnull, "--continue-on-collection-errors"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_skip_is_allowed_on_a_laptop(tmp_path: Path) -> None:
    result = run(tmp_path, no_skips=False)
    assert result.returncode == 0, result.stdout
    assert "1 passed, 4 skipped, 1 xfailed" in result.stdout


def test_a_skip_fails_by_name_on_a_build_server(tmp_path: Path) -> None:
    result = run(tmp_path, no_skips=True)
    assert result.returncode == 1, result.stdout
    assert "1 passed, 1 skipped" in result.stdout
    for name in (
        "test_some.py::test_skipped",
        "test_some.py::test_with_fixture",
        "test_expected_to_fail",
        "test_module.py",
    ):
        assert f"{name}: skipped, and only tests marked gpu may be" in result.stdout
    assert "test_of_gpu: skipped, and" not in result.stdout
