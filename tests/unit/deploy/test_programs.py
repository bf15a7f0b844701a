"""Which projects are recognised by their files, and what their Dockerfiles then say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modelwright.app.packaging.folders import project_in
from modelwright.core.errors.deploying import BuildFailed
from modelwright.deploy.images.front_end import nginx_lines
from modelwright.deploy.images.programs import Bases, Wanted, program_recipe, started
from modelwright.deploy.images.projects import recognised

FASTAPI = "from fastapi import FastAPI\n\nservice: FastAPI = FastAPI(title='x')\n"
PACKAGE = json.dumps({"version": "0.3.0", "scripts": {"build": "vite build"}})
BASES = Bases(python="python:3.11-slim", node="node:22-slim", nginx="nginx:1.28")
WANTED = Wanted(name="api", project="kb", folder="/src/api", port=8080, health="/healthz")


@pytest.mark.parametrize(
    ("files", "manager", "version"),
    [
        ({"pyproject.toml": '[project]\nversion = "1.2.0"\n', "uv.lock": ""}, "uv", "1.2.0"),
        ({"pyproject.toml": '[tool.poetry]\nversion = "1.3.0"\n', "poetry.lock": ""}, "poetry", "1.3.0"),
        ({"pyproject.toml": "", "requirements.txt": "x==1\n"}, "pip", ""),
        ({"pyproject.toml": '[project]\ndependencies = ["x>=1"]\n'}, "pip", ""),
        ({"package.json": PACKAGE, "package-lock.json": "{}"}, "npm", "0.3.0"),
        ({"package.json": "{}", "requirements.txt": ""}, "pip", ""),
        ({"Dockerfile": "FROM x\n", "requirements.txt": ""}, "none", ""),
    ],
)
def test_a_project_is_recognised_by_its_files(files: dict[str, str], manager: str, version: str) -> None:
    found = recognised(files, set(files))
    assert (found.manager, found.version) == (manager, version)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "no project is recognised"),
        ({"Pipfile.lock": ""}, "Pipenv is not supported"),
        ({"package.json": PACKAGE, "pnpm-lock.yaml": ""}, "pnpm is not supported"),
        ({"package.json": PACKAGE}, "there is no package-lock.json"),
        ({"package.json": "{}", "package-lock.json": "{}"}, "no script `build`"),
        ({"package.json": "{", "package-lock.json": "{}"}, "package.json is no JSON"),
        ({"pyproject.toml": "[", "uv.lock": ""}, "pyproject.toml cannot be read"),
        ({"requirements.txt": "x==1\n-e .\n"}, "`-e .` is a part of the project itself"),
    ],
)
def test_what_is_not_recognised_is_refused_with_what_to_do(files: dict[str, str], problem: str) -> None:
    with pytest.raises(BuildFailed, match=problem.replace(".", r"\.")) as refused:
        recognised(files, set(files))
    assert refused.value.hint


def test_a_folder_is_named_where_it_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="cannot be read: No such file") as refused:
        project_in(tmp_path / "gone", place="apps.api.build")
    assert refused.value.place == "apps.api.build"
    (tmp_path / "requirements.txt").write_text("# none\n./lib\n")
    with pytest.raises(BuildFailed, match=r"requirements\.txt:2: `\./lib` is a part"):
        project_in(tmp_path, place="apps.api.build")


def test_the_locks_alone_decide_whether_libraries_are_fetched_again() -> None:
    requirements = "-r more/common.txt\nx==1  # why\n-c bounds.txt\n"
    found = recognised({"requirements.txt": requirements, "main.py": FASTAPI}, {"requirements.txt", "main.py", "src"})
    assert found.locks == ("requirements.txt", "more/common.txt", "bounds.txt")
    text = program_recipe(WANTED, found, bases=BASES).dockerfile
    libraries, last = text.split("\nFROM python\n")
    assert "COPY more/common.txt /build/more/common.txt" in libraries
    assert "COPY . ." not in libraries
    assert last.index("COPY --from=libraries") < last.index("COPY . .") < last.index("USER 10001")
    assert "PYTHONPATH=/app/src:/app" in last
    assert 'CMD ["uvicorn", "main:service", "--host", "0.0.0.0", "--port", "8080"]' in last


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock", "requirements.txt", "pyproject.toml"])
def test_every_step_that_fetches_has_settings_as_secrets_and_none_has_them_as_arguments(lock: str) -> None:
    files = {"pyproject.toml": "[project]\ndependencies = [\"x>=1; python_version > '3'\"]\n", lock: ""}
    if lock == "pyproject.toml":
        files[lock] = "[project]\ndependencies = [\"x>=1; python_version > '3'\"]\n"
    text = program_recipe(
        Wanted(name="api", project="kb", folder="/f", command=("run",)), recognised(files, set(files)), bases=BASES
    ).dockerfile
    fetching = [step for step in text.split("\nRUN ") if " install" in step or " sync" in step]
    assert fetching
    assert all(step.startswith("--mount=type=secret,id=settings --mount=type=secret,id=ca") for step in fetching)
    assert "ARG " not in text
    assert "HEALTHCHECK" not in text


def test_a_program_is_started_as_its_procfile_says_or_not_at_all() -> None:
    files = {"requirements.txt": "", "Procfile": "release: x\nweb: gunicorn app:app --bind 0.0.0.0:$PORT\n"}
    found = recognised(files, set(files))
    assert started(found.start, 8080) == ("gunicorn", "app:app", "--bind", "0.0.0.0:8080")
    assert started("python -m a > /tmp/log", 1) == ("sh", "-c", "exec python -m a > /tmp/log")
    with pytest.raises(BuildFailed, match="nobody says how it is started") as refused:
        program_recipe(WANTED, recognised({"requirements.txt": ""}, {"requirements.txt"}), bases=BASES)
    assert refused.value.place == "apps.api"


def test_secrets_stay_out_whatever_the_project_ignores() -> None:
    found = recognised({"requirements.txt": "", "main.py": FASTAPI}, {"requirements.txt"})
    lines = program_recipe(WANTED, found, bases=BASES, ignore="*.log\n!.env\n").ignore.splitlines()
    assert lines.index("!.env") < lines.index("**/.env")
    assert {"**/id_rsa", "**/.ssh", "**/.git-credentials"} <= {*lines[lines.index("!.env") :]}
    assert lines.index("**/*.key") < lines.index("*.log")  # a project may say that it needs one


def test_a_front_end_is_built_by_npm_and_served_by_nginx() -> None:
    files = {
        "package.json": PACKAGE,
        "package-lock.json": "{}",
        "vite.config.ts": "export default {build: {outDir: 'out'}}",
    }
    text = program_recipe(WANTED, recognised(files, set(files)), bases=BASES).dockerfile
    order = ["FROM node:22-slim AS build", "npm ci", "COPY . .", "npm run build", "FROM nginx:1.28 AS web"]
    order += ["COPY --from=build /app/out /srv/web", "STOPSIGNAL SIGQUIT", "USER 10001:10001", 'CMD ["nginx"']
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "        listen 8080;" in nginx_lines(8080)


def test_a_dockerfile_of_its_own_is_taken_as_it_is() -> None:
    text = "FROM --platform=linux/amd64 golang:1 AS make\nFROM scratch AS x\nFROM make\nFROM busybox:1\nUSER root\n"
    recipe = program_recipe(WANTED, recognised({"Dockerfile": text}, {"Dockerfile"}), bases=BASES)
    assert (recipe.dockerfile, recipe.bases) == (text, ("golang:1", "busybox:1"))
    assert "runs as its base does" in recipe.notices[0]
    other = recognised({"Dockerfile": "FROM busybox:1\nUSER 7\n"}, {"Dockerfile"})
    assert "runs as" not in other.notices[0]
