"""What a project folder holds, told by its own files: which package manager, which version, what starts it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec

from modelwright.core.errors.deploying import BuildFailed

Manager = Literal["uv", "poetry", "pip", "npm", "none"]
"""none: its own Dockerfile says everything."""
DOCKERFILE = "Dockerfile"
READ = (
    DOCKERFILE,
    "pyproject.toml",
    "requirements.txt",
    "package.json",
    "Procfile",
    ".dockerignore",
    "main.py",
    "app.py",
    "app/main.py",
    "vite.config.js",
    "vite.config.ts",
    "vite.config.mjs",
)
"""Files whose text is looked at; of others only whether they are there."""
_OTHERS = {"yarn.lock": "Yarn", "pnpm-lock.yaml": "pnpm", "bun.lockb": "Bun", "Pipfile.lock": "Pipenv"}
_FASTAPI = re.compile(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:fastapi\.)?FastAPI\(", re.MULTILINE)
_FROM = re.compile(r"^FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?", re.MULTILINE | re.IGNORECASE)
_OUT = re.compile(r"outDir\s*:\s*[\"']([\w./-]+)[\"']")
_WEB = re.compile(r"^web\s*:\s*(.+)$", re.MULTILINE)


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """How a project is built and started."""

    manager: Manager
    version: str = ""
    locks: tuple[str, ...] = ()
    """Files that say what it needs: they alone decide whether its libraries are fetched again."""
    needs: tuple[str, ...] = ()
    """What no lock says."""
    paths: tuple[str, ...] = ()
    """Folders below its own that its modules lie in; "" is its own."""
    start: str = ""
    """A command line, with `$PORT` in it; empty where no file tells one."""
    output: str = ""
    """Folder with what a front end's build has made."""
    dockerfile: str = ""
    """Its own."""
    bases: tuple[str, ...] = ()
    """What that starts from."""
    notices: tuple[str, ...] = ()


def recognised(texts: Mapping[str, str], names: Collection[str]) -> Project:
    """From the texts of `READ` and the names of what lies in the folder; raises BuildFailed, saying what to do."""
    if DOCKERFILE in texts:
        return _own(texts[DOCKERFILE])
    if "package.json" in names and not {"pyproject.toml", "requirements.txt"} & set(names):
        return _front_end(texts, names)
    project: dict[str, Any] = _toml(texts.get("pyproject.toml", ""))
    told = project.get("project", {})
    about = {
        "version": str(told.get("version") or project.get("tool", {}).get("poetry", {}).get("version") or ""),
        "paths": ("src", "") if "src" in names else ("",),
        "start": _start(texts),
    }
    if "uv.lock" in names:
        return Project(manager="uv", locks=("pyproject.toml", "uv.lock"), **about)
    if "poetry.lock" in names:
        return Project(manager="poetry", locks=("pyproject.toml", "poetry.lock"), **about)
    if "requirements.txt" in names:
        return Project(manager="pip", locks=("requirements.txt", *_included(texts["requirements.txt"])), **about)
    if "dependencies" in told:
        notice = "no lock says which versions it needs; write uv.lock, or requirements.txt with hashes"
        return Project(manager="pip", needs=tuple(told["dependencies"]), notices=(notice,), **about)
    other = next((f"; {tool} is not supported" for lock, tool in _OTHERS.items() if lock in names), "")
    raise BuildFailed(
        f"no project is recognised{other}",
        hint="it takes uv.lock, poetry.lock, requirements.txt, pyproject.toml, package.json, Dockerfile",
    )


def _own(text: str) -> Project:
    stages = _FROM.findall(text)
    made = {name.lower() for _, name in stages}
    bases = [base for base, _ in stages if base.lower() not in {*made, "scratch"} and "$" not in base]
    last = re.split(r"(?im)^FROM\s", text)[-1]
    root = "" if re.search(r"(?im)^USER\s+(?!root\b|0\b)", last) else "; it says no user, so it runs as its base does"
    notice = f"built by its own Dockerfile, which decides about user, signals and health{root}"
    return Project(manager="none", dockerfile=text, bases=tuple(dict.fromkeys(bases)), notices=(notice,))


def _front_end(texts: Mapping[str, str], names: Collection[str]) -> Project:
    try:
        package: dict[str, Any] = json.loads(texts["package.json"])
    except ValueError as error:
        raise BuildFailed(f"package.json is no JSON: {error}", hint="mend it") from error
    if "build" not in package.get("scripts", {}):
        raise BuildFailed("package.json has no script `build`", hint="a front end is what `npm run build` makes")
    if "package-lock.json" not in names:
        other = next((tool for lock, tool in _OTHERS.items() if lock in names), "")
        problem = f"{other} is not supported" if other else "there is no package-lock.json"
        raise BuildFailed(problem, hint="run `npm install`, and keep package-lock.json in git")
    config = next((texts[name] for name in texts if name.startswith("vite.config")), "")
    said = _OUT.search(config)
    needs = {*package.get("dependencies", {}), *package.get("devDependencies", {})}
    return Project(
        manager="npm",
        version=str(package.get("version") or ""),
        locks=("package.json", "package-lock.json"),
        output=said[1] if said else "build" if "react-scripts" in needs else "dist",
    )


def _start(texts: Mapping[str, str]) -> str:
    if said := _WEB.search(texts.get("Procfile", "")):
        return said[1].strip()
    for name in ("main.py", "app.py", "app/main.py"):
        if found := _FASTAPI.search(texts.get(name, "")):
            module = name.removesuffix(".py").replace("/", ".")
            return f"uvicorn {module}:{found[1]} --host 0.0.0.0 --port $PORT"
    return ""


def _included(requirements: str) -> tuple[str, ...]:
    """Files that it leads to; raises BuildFailed for what lies in the project itself, which is copied later."""
    found: list[str] = []
    for number, line in enumerate(requirements.splitlines(), start=1):
        words = line.partition(" #")[0].split()
        if words and words[0] in {"-r", "--requirement", "-c", "--constraint"}:
            found += words[1:2]
        elif words and (words[0] in {"-e", "--editable"} or words[0].startswith(".")):
            hint = "remove it: the project's folder is where its modules are looked for"
            raise BuildFailed(
                f"`{line.strip()}` is a part of the project itself", hint=hint, place=f"requirements.txt:{number}"
            )
    return tuple(found)


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BuildFailed(f"pyproject.toml cannot be read: {error}", hint="mend it") from error
