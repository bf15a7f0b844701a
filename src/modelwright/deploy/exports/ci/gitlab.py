"""A pipeline of GitLab: checks on merge requests, then images, test, and production once somebody starts it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from modelwright.deploy.exports.ci import commands
from modelwright.deploy.exports.ci.checking import checks, image
from modelwright.deploy.exports.ci.pipeline import Pipeline, Program, Stage
from modelwright.deploy.exports.text import comment, moved, quoted

FILE = ".gitlab-ci.yml"
_PYTHON = "python:3.13-slim"
_DEPLOYING = "python:3.13-slim-trixie"
_ENGINE = "docker:28-dind"
_BUILDER = ("docker context create ci > /dev/null", "docker buildx create --use ci > /dev/null")
_COMMITTED = "    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"
_ASKED = "    - if: $CI_PIPELINE_SOURCE == 'merge_request_event'"


def pipeline_file(pipeline: Pipeline) -> str:
    """The text of the file."""
    jobs = [_manifest(pipeline), *(_program(program) for program in pipeline.programs if checks(program))]
    jobs.append(comment(commands.QUALITY))
    if pipeline.stages:
        jobs += [*([_images(pipeline)] if pipeline.registry else []), _deploying(pipeline)]
        last = pipeline.stages[-1].name
        for stage in pipeline.stages:
            jobs += [_deploy(pipeline, stage, by_hand=stage.name == last), _rollback(pipeline, stage)]
    return "\n".join([_head(pipeline), *(moved(job, 0) for job in jobs)]).rstrip() + "\n"


def _head(pipeline: Pipeline) -> str:
    built = ["package"] if pipeline.stages and pipeline.registry else []
    stages = ["check", *built, *(stage.name for stage in pipeline.stages)]
    return "\n".join(
        [
            *comment(_introduction(pipeline)),
            "",
            f"stages: [{', '.join(stages)}]",
            "",
            "workflow:",
            "  rules:",
            _ASKED,
            _COMMITTED,
            "",
            "default:",
            "  # A newer commit ends the checks of the older one; jobs that deploy say otherwise.",
            "  interruptible: true",
            "  timeout: 20 minutes",
            "",
        ]
    )


def _introduction(pipeline: Pipeline) -> Iterator[str]:
    yield from commands.written(pipeline, "gitlab")
    if not pipeline.stages:
        return
    yield ""
    yield "To be set up once, in Settings > CI/CD > Variables, protected and masked:"
    for stage in pipeline.stages:
        secrets = [*stage.secrets, *((f"{commands.SSH_KEY}, {commands.KNOWN_HOSTS}",) if stage.ssh else ())]
        if secrets:
            yield f"  for the environment {stage.name}: {', '.join(secrets)}"
    if pipeline.registry:
        yield f"  {commands.USER}, {commands.TOKEN}, unless the registry is GitLab's own"
    yield f"Settings > CI/CD > Protected environments says who may start {pipeline.stages[-1].name}: the approval."


def _manifest(pipeline: Pipeline) -> list[str]:
    return _check("manifest", _PYTHON, [commands.install(pipeline), commands.check(pipeline)])


def _program(program: Program) -> list[str]:
    lines = [*commands.inside(program)]
    for check in checks(program):
        lines += [f"# {check.title}", *check.lines]
    return _check(f"app-{program.name}", image(program), lines)


def _images(pipeline: Pipeline) -> list[str]:
    return [
        *comment(["Built once: what was tried in test is what goes to production."]),
        "images:",
        "  stage: package",
        *_engine(),
        "  rules:",
        _COMMITTED,
        "  timeout: 1 hour",
        *_script([*_client(pipeline), *_BUILDER, commands.package(pipeline, engine="new")]),
        f"  artifacts: {{paths: [{commands.IMAGES_FILE}], expire_in: 30 days}}",
    ]


def _deploying(pipeline: Pipeline) -> list[str]:
    lines = ["set -eu", *_client(pipeline)]
    if any(stage.ssh for stage in pipeline.stages):
        lines += [f'if [ -n "${{{commands.SSH_KEY}:-}}" ]; then', *(f"  {line}" for line in commands.agent()), "fi"]
    return [
        ".deploying:",
        *_engine(),
        "  interruptible: false",
        "  timeout: 1 hour",
        "  before_script:",
        "    - |",
        *(f"      {line}" for line in lines),
    ]


def _deploy(pipeline: Pipeline, stage: Stage, *, by_hand: bool) -> list[str]:
    return [
        f"deploy-{stage.name}:",
        "  extends: .deploying",
        f"  stage: {stage.name}",
        *_alone(stage),
        "  rules:",
        _COMMITTED,
        *(["      when: manual", "      allow_failure: false"] if by_hand else []),
        *_script([*([commands.pull()] if pipeline.registry else []), commands.deploy(pipeline, stage.name)]),
    ]


def _rollback(pipeline: Pipeline, stage: Stage) -> list[str]:
    return [
        f"# Started by hand; the variable {commands.RELEASE} says which release to go back to.",
        f"rollback-{stage.name}:",
        "  extends: .deploying",
        f"  stage: {stage.name}",
        "  needs: []",
        *_alone(stage),
        "  variables:",
        f"    {commands.ENVIRONMENT}: {stage.name}",
        "  rules:",
        _COMMITTED,
        "      when: manual",
        "      allow_failure: true",
        *_script([commands.rollback(pipeline)]),
    ]


def _alone(stage: Stage) -> list[str]:
    """One deploy at a time for an environment, whatever pipeline it belongs to."""
    return ["  environment:", f"    name: {stage.name}", f"  resource_group: {stage.name}"]


def _engine() -> list[str]:
    """An engine beside the job, and its client with us."""
    return [
        f"  image: {_DEPLOYING}",
        f'  services: ["{_ENGINE}"]',
        "  variables:",
        "    DOCKER_HOST: tcp://docker:2376",
        '    DOCKER_TLS_VERIFY: "1"',
        "    DOCKER_TLS_CERTDIR: /certs",
        "    DOCKER_CERT_PATH: /certs/client",
    ]


def _client(pipeline: Pipeline) -> list[str]:
    return [
        "apt-get update -qq",
        "apt-get install -qq --no-install-recommends docker-cli docker-buildx git openssh-client > /dev/null",
        *_login(pipeline),
        commands.install(pipeline),
    ]


def _login(pipeline: Pipeline) -> list[str]:
    """The token that GitLab gives a job is for GitLab's own registry, and goes nowhere else."""
    if not pipeline.registry:
        return []
    host = pipeline.registry.partition("/")[0]
    own = f': "${{{commands.USER}:=$CI_REGISTRY_USER}}" "${{{commands.TOKEN}:=$CI_REGISTRY_PASSWORD}}"'
    return [f'if [ "${{CI_REGISTRY:-}}" = {shlex.quote(host)} ]; then {own}; fi', commands.login(pipeline)]


def _check(name: str, container: str, lines: Sequence[str]) -> list[str]:
    return [f"{name}:", "  stage: check", f"  image: {quoted(container)}", *_script(lines)]


def _script(lines: Sequence[str]) -> list[str]:
    return ["  script:", "    - |", "      set -eu", *(f"      {line}" for line in lines)]
