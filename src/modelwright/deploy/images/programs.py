"""Images of the user's own programs: Python ones, and front ends that nginx serves."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import msgspec

from modelwright.core.deploying.images import Recipe
from modelwright.core.errors.deploying import BuildFailed
from modelwright.deploy.images.dockerfile import (
    CA,
    NPMRC,
    PYTHON,
    QUIET,
    SETTINGS,
    build_step,
    dockerfile,
    ending,
    entry_step,
    env,
    health,
    written,
)
from modelwright.deploy.images.front_end import CONFIG, STOP, WEB, nginx_lines, web_health
from modelwright.deploy.images.projects import Project

UV = "uv==0.13.9"
POETRY = "poetry==2.5.1"
APP = "/app"
_NPM = (SETTINGS, CA, NPMRC)
_USUAL = (
    "**/.git",
    "**/.venv",
    "**/venv",
    "**/node_modules",
    "**/__pycache__",
    "**/*.py[co]",
    "**/.*_cache",
    "**/.modelwright",
    "**/.idea",
    "**/.vscode",
    "**/.DS_Store",
    "**/*.key",
    "**/*.p12",
    "**/*.pfx",
)
_NEVER = (
    "**/.env",
    "**/.env.*",
    "!**/.env.example",
    "**/.netrc",
    "**/.npmrc",
    "**/.pypirc",
    "**/.git-credentials",
    "**/.ssh",
    "**/.aws",
    "**/.kube",
    "**/.docker",
    "**/id_rsa",
    "**/id_ecdsa",
    "**/id_ed25519",
)
"""What holds secrets, whatever the project's own .dockerignore says."""


def ignored(own: str, *made: str) -> str:
    """Patterns of what is no source of a program: the usual ones, what is made from it, and the project's `own`."""
    return "\n".join((*_USUAL, *made, *own.splitlines(), *_NEVER)) + "\n"


class Bases(msgspec.Struct, frozen=True, kw_only=True):
    """What images start from."""

    python: str
    node: str
    nginx: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says of a program."""

    name: str
    project: str
    """The manifest's name."""
    folder: str
    port: int = 0
    health: str = "/"
    command: tuple[str, ...] = ()


def program_recipe(wanted: Wanted, project: Project, *, bases: Bases, ignore: str = "") -> Recipe:
    """`ignore` is the project's own .dockerignore. Raises BuildFailed when nobody says how it is started."""
    if project.manager == "none":
        text, used = project.dockerfile, project.bases
    elif project.manager == "npm":
        text, used = dockerfile(*_front_end(wanted, project, bases)), (bases.node, bases.nginx)
    else:
        text, used = dockerfile(*_python(wanted, project, bases.python)), (bases.python,)
    made = ("**/dist", f"**/{project.output}") if project.output else ()
    return Recipe(
        name=wanted.name,
        repository=f"{wanted.project}/{wanted.name}",
        version=project.version,
        project=wanted.project,
        dockerfile=text,
        ignore=ignored(ignore, *made),
        bases=used,
        folder=wanted.folder,
        notices=project.notices,
    )


def _python(wanted: Wanted, project: Project, base: str) -> tuple[Sequence[str], ...]:
    command = wanted.command or started(project.start, wanted.port)
    if not command:
        raise BuildFailed("nobody says how it is started", hint="write `command`", place=f"apps.{wanted.name}")
    paths = ":".join(f"{APP}/{path}".rstrip("/") for path in project.paths)
    asked = f"import urllib.request as r; r.urlopen('http://127.0.0.1:{wanted.port}{wanted.health}', timeout=4)"
    settings = {"PATH": f"{PYTHON}/bin:$PATH", "PYTHONPATH": paths, **QUIET}
    return (
        (f"FROM {base} AS python",),
        ("FROM python AS libraries", *_libraries(project)),
        (
            "FROM python",
            f"COPY --from=libraries {PYTHON} {PYTHON}",
            entry_step(),
            f"WORKDIR {APP}",
            env({**settings, **({"PORT": str(wanted.port)} if wanted.port else {})}),
            "COPY . .",
            *((health((f"{PYTHON}/bin/python", "-c", asked)),) if wanted.port else ()),
            *ending(command, port=wanted.port),
        ),
    )


def _libraries(project: Project) -> Sequence[str]:
    copies = tuple(f"COPY {name} /build/{name}" for name in project.locks)
    made = (f"RUN mkdir /build && python -m venv --without-pip {PYTHON}",)
    tool = {"uv": UV, "poetry": POETRY}.get(project.manager)
    if tool is None:
        pip = f"pip --python {PYTHON}/bin/python install"
        needs = (written("/build/needs.txt", project.needs),) if project.needs else ()
        asked = "/build/needs.txt" if project.needs else f"/build/{project.locks[0]}"
        return (*made, *copies, *needs, build_step(f"{pip} -r {asked}"))
    install = {
        "uv": f"UV_PROJECT_ENVIRONMENT={PYTHON} UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 "
        "/opt/tools/bin/uv sync --locked --no-dev --no-install-workspace",
        "poetry": f"VIRTUAL_ENV={PYTHON} PATH={PYTHON}/bin:$PATH "
        "/opt/tools/bin/poetry install --only main --no-root --no-directory --compile --no-interaction",
    }[project.manager]
    return (
        build_step("python -m venv /opt/tools", f"/opt/tools/bin/pip install {tool}"),
        *made,
        *copies,
        "WORKDIR /build",
        build_step(install),
    )


def _front_end(wanted: Wanted, project: Project, bases: Bases) -> tuple[Sequence[str], ...]:
    found = f"{APP}/{project.output}"
    return (
        (
            f"FROM {bases.node} AS build",
            f"WORKDIR {APP}",
            f"COPY {' '.join(project.locks)} ./",
            build_step("npm ci --no-audit --no-fund", cache="/root/.npm", secrets=_NPM),
            "COPY . .",
            build_step("npm run build", cache="/root/.npm", secrets=_NPM),
            f"RUN test -f {found}/index.html || {{ echo 'no {project.output}/index.html was built'; exit 1; }}",
        ),
        (
            f"FROM {bases.nginx} AS web",
            entry_step(),
            written(CONFIG, nginx_lines(wanted.port or 80)),
            f"COPY --from=build {found} {WEB}",
            health(web_health(wanted.port or 80, wanted.health)),
            f"STOPSIGNAL {STOP}",
            *ending(wanted.command or ("nginx", "-c", CONFIG, "-g", "daemon off;"), port=wanted.port or 80),
        ),
    )


def started(line: str, port: int) -> tuple[str, ...]:
    """A command line as words; through a shell where it needs one, which then becomes the program."""
    line = line.replace("${PORT}", str(port)).replace("$PORT", str(port))
    if any(sign in line for sign in "$|&;<>`*?"):
        return ("sh", "-c", f"exec {line}")
    return tuple(shlex.split(line))
