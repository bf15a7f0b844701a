"""Keeps the generated pages of the reference in step with the code."""

import subprocess
import sys
from pathlib import Path

from docs import generate
from tests.house.files import ROOT


def test_no_page_is_stale() -> None:
    assert not generate.stale(), "run: make docs"


def test_a_stale_page_is_found_and_written(tmp_path: Path) -> None:
    assert generate.stale(tmp_path) == list(generate.PAGES)
    assert generate.write(tmp_path) == list(generate.PAGES)
    assert generate.stale(tmp_path) == []
    (tmp_path / "docs/reference/errors.md").write_text("changed by hand")
    assert generate.stale(tmp_path) == ["docs/reference/errors.md"]


def test_the_command_writes_nothing_when_it_only_checks() -> None:
    before = {page: (ROOT / page).stat().st_mtime_ns for page in generate.PAGES}
    command = [sys.executable, "-m", "docs.generate", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert before == {page: (ROOT / page).stat().st_mtime_ns for page in generate.PAGES}
