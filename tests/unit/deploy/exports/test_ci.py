import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from modelwright.deploy.exports.ci import commands, github, gitlab, jenkins
from modelwright.deploy.exports.ci.checking import checks
from modelwright.deploy.exports.ci.pipeline import Pipeline, Program
from tests.unit.deploy.exports.pipelines import ONLY_CHECKS, PROGRAMS, STREAMED, WHOLE

FOLDERS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=30
).filter(lambda text: text == text.strip() and text != ".")


def _read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _scripts(jobs: dict[str, Any]) -> dict[str, str]:
    return {name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}


def _upstream(jobs: dict[str, Any], name: str) -> set[str]:
    direct = set(jobs[name].get("needs", ()))
    return direct.union(*(_upstream(jobs, other) for other in direct))


def test_actions_are_pinned_by_commit() -> None:
    used = re.findall(r"uses: (.+)", github.workflow(WHOLE))
    assert used
    assert not [one for one in used if not re.fullmatch(r"[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9.]+", one)]


def test_nothing_is_deployed_that_was_not_checked_and_production_comes_last() -> None:
    jobs = _read(github.workflow(WHOLE))["jobs"]
    checked = {"manifest", "app-api", "app-queue", "app-tool", "app-web"}
    assert _upstream(jobs, "images") == checked
    assert _upstream(jobs, "deploy-test") == {"images", *checked}
    assert _upstream(jobs, "deploy-production") == {"deploy-test", "images", *checked}
    assert jobs["deploy-production"]["environment"] == "production"


def test_a_program_that_brings_its_own_dockerfile_is_left_to_its_author() -> None:
    assert "app-own" not in _read(github.workflow(WHOLE))["jobs"]
    assert checks(PROGRAMS[-1]) == ()


def test_jobs_get_no_more_than_they_need() -> None:
    workflow = _read(github.workflow(WHOLE))
    assert workflow["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert more == {
        "images": {"contents": "read", "packages": "write"},
        **{name: {"contents": "read", "packages": "read"} for name in ("deploy-test", "deploy-production", "rollback")},
    }
    secrets = {name: sorted(set(re.findall(r"secrets\.(\w+)", str(job)))) for name, job in workflow["jobs"].items()}
    assert secrets["app-api"] == secrets["manifest"] == []
    assert secrets["deploy-test"] == ["OPENAI_API_KEY", "REGISTRY_TOKEN"]
    assert secrets["deploy-production"] == ["DATABASE_URL", "DEPLOY_SSH_KEY", "OPENAI_API_KEY", "REGISTRY_TOKEN"]


def test_two_deploys_of_an_environment_never_overlap() -> None:
    jobs = _read(github.workflow(WHOLE))["jobs"]
    for name in ("deploy-test", "deploy-production", "rollback"):
        environment = jobs[name]["environment"]
        assert jobs[name]["concurrency"] == {"group": f"deploy-{environment}", "cancel-in-progress": False}
    pipeline = _read(gitlab.pipeline_file(WHOLE))
    for name in ("deploy-production", "rollback-production"):
        assert pipeline[name]["resource_group"] == "production"
    assert pipeline[".deploying"]["interruptible"] is False
    assert "disableConcurrentBuilds()" in jenkins.jenkinsfile(WHOLE)


def test_production_waits_for_somebody() -> None:
    (rule,) = _read(gitlab.pipeline_file(WHOLE))["deploy-production"]["rules"]
    assert rule["when"] == "manual"
    assert "Required reviewers" in github.workflow(WHOLE)
    stage = jenkins.jenkinsfile(WHOLE).partition("stage('Deploy to production')")[2].partition("steps {")[0]
    assert "message 'Deploy to production?'" in stage
    assert "beforeInput true" in stage


@pytest.mark.parametrize(
    "text",
    [github.workflow(WHOLE), gitlab.pipeline_file(WHOLE), jenkins.jenkinsfile(WHOLE)],
    ids=["github", "gitlab", "jenkins"],
)
def test_every_build_server_gets_the_same_commands(text: str) -> None:
    expected = [commands.check(WHOLE), commands.rollback(WHOLE)]
    expected += [commands.deploy(WHOLE, "test"), commands.deploy(WHOLE, "production")]
    expected += [line for program in PROGRAMS for check in checks(program) for line in check.lines]
    assert not [line for line in expected if line not in text]
    assert "modelwright package -f deploy/modelwright.yaml --without-secrets --scan" in text
    assert "quality-gate" in text


@pytest.mark.parametrize(
    "text",
    [github.workflow(ONLY_CHECKS), gitlab.pipeline_file(ONLY_CHECKS), jenkins.jenkinsfile(ONLY_CHECKS)],
    ids=["github", "gitlab", "jenkins"],
)
def test_without_an_environment_that_is_deployed_to_nothing_is_built(text: str) -> None:
    assert commands.check(ONLY_CHECKS) in text
    assert not [word for word in ("package", "deploy-", "rollback", "ROLL_BACK", "docker login") if word in text]


@given(FOLDERS)
def test_a_folder_of_any_name_is_found(folder: str) -> None:
    program = Program(name="api", folder=folder, kind="uv", runtime="3.13")
    pipeline = Pipeline(project="p", manifest="modelwright.yaml", requirement="modelwright", programs=(program,))
    job = _read(github.workflow(pipeline))["jobs"]["app-api"]
    assert job["defaults"]["run"]["working-directory"] == folder
    (script,) = _read(gitlab.pipeline_file(pipeline))["app-api"]["script"]
    assert shlex.split(script.splitlines()[1]) == ["cd", folder]


def test_what_could_not_be_audited_is_a_failure() -> None:
    for program in PROGRAMS[:3]:
        (audit,) = [check for check in checks(program) if check.title == "Known vulnerabilities"]
        assert "--strict" in audit.lines[-1]


def test_without_a_registry_each_deploy_builds_for_itself() -> None:
    jobs = _read(github.workflow(STREAMED))["jobs"]
    assert set(jobs) == {"manifest", "deploy-test", "deploy-production", "rollback"}
    assert _upstream(jobs, "deploy-production") == {"manifest", "deploy-test"}
    for text in (github.workflow(STREAMED), gitlab.pipeline_file(STREAMED), jenkins.jenkinsfile(STREAMED)):
        assert commands.deploy(STREAMED, "production") in text
        assert not [word for word in ("docker login", "docker pull", "modelwright package") if word in text]


def test_what_is_deployed_is_what_was_packaged() -> None:
    jobs = _read(github.workflow(WHOLE))["jobs"]
    for name in ("deploy-test", "deploy-production"):
        steps = [step["name"] for step in jobs[name]["steps"] if "name" in step]
        assert steps.index("Fetch the images") < steps.index("Deploy")
    pipeline = _read(gitlab.pipeline_file(WHOLE))
    assert pipeline["images"]["artifacts"]["paths"] == [commands.IMAGES_FILE]
    assert commands.pull() in pipeline["deploy-production"]["script"][0]


def test_gitlab_s_own_token_goes_to_gitlab_s_own_registry_alone(tmp_path: Path) -> None:
    script = _read(gitlab.pipeline_file(WHOLE))["images"]["script"][0].splitlines()
    begin = next(number for number, line in enumerate(script) if "CI_REGISTRY" in line)
    host = WHOLE.registry.partition("/")[0]
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$3 $(cat)"\n')
    docker.chmod(0o755)
    for registry, mine, expected in (
        (host, {}, "ci its-own"),
        (host, {"REGISTRY_USER": "me", "REGISTRY_TOKEN": "mine"}, "me mine"),
        ("elsewhere.example.com", {"REGISTRY_USER": "me", "REGISTRY_TOKEN": "mine"}, "me mine"),
        ("elsewhere.example.com", {}, ""),
        ("", {}, ""),
    ):
        env = {"CI_REGISTRY": registry, "CI_REGISTRY_USER": "ci", "CI_REGISTRY_PASSWORD": "its-own", **mine}
        env["PATH"] = f"{tmp_path}:/usr/bin:/bin"
        lines = "\n".join(["set -eu", *script[begin : begin + 2]])
        done = subprocess.run(["sh", "-c", lines], env=env, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == expected, (registry, mine, done.stderr)
