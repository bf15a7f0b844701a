"""A declarative Jenkinsfile: checks on every branch, then images, test, and production after somebody's word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from modelwright.deploy.exports.ci import commands
from modelwright.deploy.exports.ci.checking import checks, image
from modelwright.deploy.exports.ci.pipeline import Pipeline, Program, Stage
from modelwright.deploy.exports.text import comment, moved

FILE = "Jenkinsfile"
_PYTHON = "python:3.13-slim"
_NOT_BACK = "expression { params.ROLL_BACK in [null, 'no'] }"
_VENV = ('python3 -m venv "$WORKSPACE_TMP/tools"', '. "$WORKSPACE_TMP/tools/bin/activate"')


def jenkinsfile(pipeline: Pipeline) -> str:
    """The text of the file."""
    stages = [_checks(pipeline), comment(commands.QUALITY, sign="//")]
    if pipeline.stages:
        stages += [_images(pipeline)] if pipeline.registry else []
        last = pipeline.stages[-1].name
        stages += [_deploy(pipeline, stage, approved=stage.name == last) for stage in pipeline.stages]
        stages += [_rollback(pipeline, stage) for stage in pipeline.stages]
    lines = [
        *comment(_introduction(pipeline), sign="//"),
        "",
        "pipeline {",
        "    agent none",
        "    options {",
        "        // Two builds of a branch never overlap, so two deploys do not.",
        "        disableConcurrentBuilds()",
        "        timeout(time: 3, unit: 'HOURS')",
        "        buildDiscarder(logRotator(numToKeepStr: '50'))",
        "    }",
        *(_parameters(pipeline) if pipeline.stages else ()),
        "    stages {",
    ]
    return "\n".join(lines) + "\n" + "\n".join(moved(stage, 8) for stage in stages) + "    }\n}\n"


def _introduction(pipeline: Pipeline) -> Iterator[str]:
    yield from commands.written(pipeline, "jenkins")
    yield "It wants the plugins Docker Pipeline and SSH Agent; and an agent labelled `docker`, with Docker and Python."
    if not pipeline.stages:
        return
    yield ""
    yield "To be set up once, in Manage Jenkins > Credentials:"
    if pipeline.registry:
        yield f"  registry: user name and password of {pipeline.registry}"
    for stage in pipeline.stages:
        for secret in stage.secrets:
            yield f"  {_credential(stage, secret)}: secret text"
        if stage.ssh:
            yield f"  {stage.name}-ssh: SSH user name with private key; the agent's known_hosts names the hosts"


def _parameters(pipeline: Pipeline) -> list[str]:
    choices = ", ".join(_text(name) for name in ("no", *(stage.name for stage in pipeline.stages)))
    return [
        "    parameters {",
        f"        choice(name: 'ROLL_BACK', choices: [{choices}], description: 'Environment to roll back')",
        f"        string(name: '{commands.RELEASE}', defaultValue: '', description: 'Empty: the one before')",
        "    }",
    ]


def _checks(pipeline: Pipeline) -> list[str]:
    inner = [_check("manifest", _PYTHON, [commands.install(pipeline), commands.check(pipeline)])]
    programs = [program for program in pipeline.programs if checks(program)]
    inner += [_check(f"app {program.name}", image(program), _lines(program)) for program in programs]
    return [
        "stage('Check') {",
        *([f"    when {{ {_NOT_BACK} }}"] if pipeline.stages else []),
        "    parallel {",
        *(f"        {line}" for one in inner for line in one),
        "    }",
        "}",
    ]


def _lines(program: Program) -> list[str]:
    lines = [*commands.inside(program)]
    for check in checks(program):
        lines += [f"# {check.title}", *check.lines]
    return lines


def _check(title: str, container: str, lines: Sequence[str]) -> list[str]:
    venv = _VENV if container.startswith("python:") else ()
    return [
        f"stage({_text(title)}) {{",
        f"    agent {{ docker {{ image {_text(container)} }} }}",
        "    options { timeout(time: 20, unit: 'MINUTES') }",
        '    environment { HOME = "${env.WORKSPACE_TMP}" }',
        "    steps {",
        *_sh([*venv, *lines], by=8),
        "    }",
        "}",
    ]


def _images(pipeline: Pipeline) -> list[str]:
    return [
        "// Built once: what was tried in test is what goes to production.",
        "stage('Images') {",
        *_when(pipeline),
        "    agent { label 'docker' }",
        "    environment {",
        *_registry(),
        "    }",
        "    steps {",
        *_sh(
            [*_login(pipeline), *_VENV, commands.install(pipeline), commands.package(pipeline, engine="lasting")], by=8
        ),
        f"        stash name: 'images', includes: '{commands.IMAGES_FILE}'",
        "    }",
        "}",
    ]


def _deploy(pipeline: Pipeline, stage: Stage, *, approved: bool) -> list[str]:
    ask = ["    input {", f"        message 'Deploy to {stage.name}?'", "    }"]
    return [
        f"stage('Deploy to {stage.name}') {{",
        *_when(pipeline, waits=approved),
        *(ask if approved else []),
        *_deploying(pipeline, stage, commands.deploy(pipeline, stage.name), fetched=bool(pipeline.registry)),
        "}",
    ]


def _rollback(pipeline: Pipeline, stage: Stage) -> list[str]:
    return [
        f"stage('Roll back {stage.name}') {{",
        "    when {",
        "        beforeAgent true",
        f"        expression {{ params.ROLL_BACK == '{stage.name}' }}",
        "    }",
        *_deploying(pipeline, stage, commands.rollback(pipeline)),
        "}",
    ]


def _deploying(pipeline: Pipeline, stage: Stage, command: str, *, fetched: bool = False) -> list[str]:
    lines = [*_login(pipeline), *_VENV, commands.install(pipeline), *([commands.pull()] if fetched else []), command]
    steps = _sh(lines, by=12 if stage.ssh else 8)
    if stage.ssh:
        steps = [f"        sshagent(['{stage.name}-ssh']) {{", *steps, "        }"]
    return [
        "    agent { label 'docker' }",
        "    environment {",
        *(_registry() if pipeline.registry else ()),
        f"        {commands.ENVIRONMENT} = '{stage.name}'",
        *(f"        {name} = credentials('{_credential(stage, name)}')" for name in stage.secrets),
        "    }",
        "    steps {",
        *(["        unstash 'images'"] if fetched else []),
        *steps,
        "    }",
    ]


def _login(pipeline: Pipeline) -> list[str]:
    """`LOGIN_USR` and `LOGIN_PSW` are the two halves of the credential `LOGIN`."""
    return [commands.login(pipeline, user="LOGIN_USR", token="LOGIN_PSW")] if pipeline.registry else []  # noqa: S106


def _registry() -> list[str]:
    return ["        LOGIN = credentials('registry')"]


def _when(pipeline: Pipeline, *, waits: bool = False) -> list[str]:
    return [
        "    when {",
        "        beforeAgent true",
        *(["        beforeInput true"] if waits else []),
        f"        branch {_text(pipeline.branch)}",
        f"        {_NOT_BACK}",
        "    }",
    ]


def _credential(stage: Stage, secret: str) -> str:
    return f"{stage.name}-{secret}"


def _sh(lines: Sequence[str], *, by: int) -> list[str]:
    """Single quotes: the shell fills in variables, never Groovy, which would show secrets in its log."""
    blanks = " " * by
    body = [line.replace("\\", "\\\\").replace("'''", "\\'\\'\\'") for line in lines]
    return [f"{blanks}sh '''", *(f"{blanks}    {line}" for line in ("set -eu", *body)), f"{blanks}'''"]


def _text(text: str) -> str:
    """A Groovy text in which nothing is filled in."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
