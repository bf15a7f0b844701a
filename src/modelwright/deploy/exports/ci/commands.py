"""The commands by which a pipeline checks, builds, deploys and rolls back: the same on every build server."""

from __future__ import annotations

import shlex
from typing import Literal

from modelwright.deploy.exports.ci.pipeline import Pipeline, Program

RELEASE = "RELEASE"
ENVIRONMENT = "ENVIRONMENT"
IMAGES_FILE = "images.json"
REFERENCES = (
    "python3 -c 'import json, sys; print(*(image[\"reference\"] for image in json.load(sys.stdin).values()))'"
    f" < {IMAGES_FILE}"
)
"""Prints what the images are called, by digest."""
USER = "REGISTRY_USER"
TOKEN = "REGISTRY_TOKEN"  # noqa: S105 - the name of a variable
SSH_KEY = "DEPLOY_SSH_KEY"
KNOWN_HOSTS = "DEPLOY_KNOWN_HOSTS"

QUALITY = (
    "The AI quality gate goes here, named quality-gate, between the checks and the images: suites of questions whose",
    "answers are scored, and the thresholds that a release must pass. It comes with evaluation; until then nothing",
    "judges answers before they are deployed, and nothing here pretends to.",
)
"""What stands in its place, for a comment."""


def written(pipeline: Pipeline, kind: str) -> tuple[str, str]:
    """The first words of every file."""
    return (
        f"Checks and deploys {pipeline.project}. Written by `modelwright render ci --kind {kind}`;",
        "yours from here on.",
    )


def install(pipeline: Pipeline) -> str:
    """Modelwright itself."""
    return f"python3 -m pip install --quiet {shlex.quote(pipeline.requirement)}"


def check(pipeline: Pipeline) -> str:
    """Every fault of the manifest; where pull requests are checked, no secret is at hand."""
    return f"modelwright check{_file(pipeline)} --without-secrets"


def package(pipeline: Pipeline, *, engine: Literal["new", "lasting"]) -> str:
    """Images built, scanned and pushed. A lasting engine has the layers of earlier builds, a new one gets them from the
    registry.
    """
    cache = shlex.quote(f"{pipeline.registry}/{pipeline.project}/cache")
    layers = f" --cache {cache}" if engine == "new" else ""
    return f"modelwright package{_file(pipeline)} --without-secrets --scan{layers} --json > {IMAGES_FILE}"


def pull() -> str:
    """What was packaged, so that the deploy finds it here and builds nothing."""
    return f"{REFERENCES} | xargs -n 1 docker pull --quiet"


def deploy(pipeline: Pipeline, environment: str) -> str:
    """What was checked and packaged."""
    return f"modelwright deploy{_file(pipeline)} --env {environment} --yes"


def rollback(pipeline: Pipeline) -> str:
    """To the release that was asked for, or to the one before."""
    return f'modelwright rollback{_file(pipeline)} --env "${ENVIRONMENT}" --yes ${{{RELEASE}:+"${RELEASE}"}}'


def login(pipeline: Pipeline, *, user: str = USER, token: str = TOKEN) -> str:
    """To the registry; the token is in no list of processes."""
    host = shlex.quote(pipeline.registry.partition("/")[0])
    return f'printf \'%s\' "${token}" | docker login --username "${user}" --password-stdin {host}'


def agent() -> tuple[str, ...]:
    """Hands the key to an agent, so that it lies in no file; who the hosts are is known beforehand."""
    return (
        'eval "$(ssh-agent -s)" > /dev/null',
        f"printf '%s\\n' \"${SSH_KEY}\" | tr -d '\\r' | ssh-add -q -",
        "install -d -m 700 ~/.ssh",
        f"printf '%s\\n' \"${KNOWN_HOSTS}\" > ~/.ssh/known_hosts",
    )


def inside(program: Program) -> tuple[str, ...]:
    """`cd` into a program's folder, where it is one of its own."""
    return () if program.folder == "." else (f"cd {shlex.quote(program.folder)}",)


def _file(pipeline: Pipeline) -> str:
    return "" if pipeline.manifest == "modelwright.yaml" else f" -f {shlex.quote(pipeline.manifest)}"
