"""The parts that all Dockerfiles have in common: pure texts; BuildKit of Docker 20.10 reads them without a download."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from modelwright.core.deploying.places import VARIABLES

HEAD = "# Written by `modelwright package`; needs BuildKit."
USER = 10001
"""Of every program; it owns nothing in its image but what it has to write to."""
PYTHON = "/opt/python"
"""Where the libraries of a Python program lie: a layer of their own."""
ENTRY = "/usr/local/bin/with-secrets"
QUIET = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
SETTINGS = "settings"
"""Build secret: a shell script that sets what package managers are told by variables."""
NPMRC = "npmrc"
"""Build secret: npm's own file of settings."""
CA = "ca"
"""Build secret: authorities that servers' certificates may be signed by."""

ENTRY_LINES = (
    "#!/bin/sh",
    f"# Puts what the files in {VARIABLES} hold into variables of their names, then becomes the program.",
    "set -eu",
    f"for file in {VARIABLES}/*; do",
    '    if [ -f "$file" ]; then export "${file##*/}=$(cat "$file")"; fi',
    "done",
    'exec "$@"',
)


def build_step(*commands: str, cache: str = "/root/.cache", secrets: Sequence[str] = (SETTINGS, CA)) -> str:
    """A RUN that may fetch packages: settings and authorities are mounted, the cache stays out of the layer."""
    script = " && \\\n    ".join((f"if [ -f /run/secrets/{SETTINGS} ]; then . /run/secrets/{SETTINGS}; fi", *commands))
    mounts = (*(f"--mount=type=secret,id={name}" for name in secrets), f"--mount=type=cache,target={cache}")
    return f"RUN {' '.join(mounts)} \\\n    {script}"


def written(path: str, lines: Sequence[str], *, mode: str = "644") -> str:
    """A RUN that writes a file, so that a Dockerfile is whole by itself."""
    quoted = " \\\n    ".join("'" + line.replace("'", "'\\''") + "'" for line in lines)
    return f"RUN printf '%s\\n' \\\n    {quoted} \\\n    > {path} && chmod {mode} {path}"


def entry_step() -> str:
    """The program that hands secrets over."""
    return written(ENTRY, ENTRY_LINES, mode="755")


def env(values: Mapping[str, str]) -> str:
    """ENV, a line each."""
    return "ENV " + " \\\n    ".join(f"{name}={value}" for name, value in values.items())


def health(command: Sequence[str]) -> str:
    """What an engine asks by itself; a deploy has a gate of its own."""
    return f"HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD {json.dumps(list(command))}"


def ending(command: Sequence[str], *, port: int = 0) -> tuple[str, ...]:
    """Who it runs as, and what: in exec form, so that signals reach the program."""
    return (
        f"USER {USER}:{USER}",
        *((f"EXPOSE {port}",) if port else ()),
        f"ENTRYPOINT {json.dumps([ENTRY])}",
        f"CMD {json.dumps(list(command))}",
    )


def dockerfile(*stages: Sequence[str]) -> str:
    """Stages of lines as one text."""
    return "\n\n".join("\n".join(stage) for stage in ((HEAD,), *stages)) + "\n"
