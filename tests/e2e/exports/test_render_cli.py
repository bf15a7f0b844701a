"""`modelwright render` as a process."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from modelwright.cli.main import app
from tests.e2e.running import modelwright
from tests.unit.app.exporting.test_pipelines import MANIFEST

pytestmark = pytest.mark.e2e


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "requirements.txt").touch()
    path = tmp_path / "modelwright.yaml"
    path.write_text(MANIFEST.replace("../backend", "backend"), "utf-8")
    return path


def _render(manifest: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return modelwright("render", "ci", "-f", str(manifest), *words)


def test_a_pipeline_is_printed_or_written_and_never_over_what_somebody_has_changed(manifest: Path) -> None:
    printed = _render(manifest, "--kind", "github")
    assert (printed.returncode, printed.stderr) == (0, "")
    root = manifest.parent
    file = root / ".github" / "workflows" / "modelwright.yml"
    written = _render(manifest, "--kind", "github", "--out", str(root))
    assert written.stdout == f"wrote {file}\n"
    assert file.read_text("utf-8") == printed.stdout
    file.write_text("mine\n", "utf-8")
    refused = _render(manifest, "--kind", "github", "--out", str(root))
    assert refused.returncode == 1
    assert "is there and differs" in refused.stderr
    assert file.read_text("utf-8") == "mine\n"
    assert _render(manifest, "--kind", "github", "--out", str(root), "--force").returncode == 0
    assert file.read_text("utf-8") == printed.stdout


def test_a_pipeline_calls_only_commands_that_there_are(manifest: Path) -> None:
    printed = _render(manifest, "--kind", "jenkins").stdout
    root: Any = get_command(app)
    lines = [shlex.split(line) for line in re.findall(r"^ *modelwright (.+)$", printed, re.MULTILINE)]
    assert {words[0] for words in lines} == {"check", "package", "deploy", "rollback"}
    for words in lines:
        command = root.get_command(None, words[0])
        assert command is not None, words[0]
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= known
