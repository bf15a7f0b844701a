"""A manifest as a pipeline of a build server: its programs, and the environments that are deployed to."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Literal

from modelwright.app.exporting.programs import program
from modelwright.app.manifest.load import Sketch, sketch
from modelwright.core.errors.starting import StartError
from modelwright.deploy.exports.ci import github, gitlab, jenkins
from modelwright.deploy.exports.ci.pipeline import Pipeline, Program, Stage

Server = Literal["github", "gitlab", "jenkins"]
_ORDER = ("test", "production")
_WRITERS = {
    "github": (github.FILE, github.workflow),
    "gitlab": (gitlab.FILE, gitlab.pipeline_file),
    "jenkins": (jenkins.FILE, jenkins.jenkinsfile),
}


def rendered(manifest: Path, *, server: Server, branch: str = "main") -> tuple[str, str]:
    """(where the build server looks for it in the repository, the text). No variable and no secret is looked up.

    Raises ManifestError, and StartError for a program that lies outside of the repository.
    """
    file, write = _WRITERS[server]
    return file, write(pipeline_of(manifest, branch=branch))


def pipeline_of(manifest: Path, *, branch: str = "main") -> Pipeline:
    """As `rendered` says."""
    found = {name: sketch(manifest, environment=name) for name in _ORDER}
    stages = tuple(_stage(name, one) for name, one in found.items() if one.manifest.target)
    last = found[stages[-1].name if stages else _ORDER[-1]]
    path = Path.cwd() / manifest
    root = _root(path.parent)
    return Pipeline(
        project=last.manifest.name,
        manifest=path.relative_to(root).as_posix(),
        requirement=f"modelwright[deploy]=={version('modelwright')}",
        programs=tuple(_programs(last, base=path.parent, root=root)),
        stages=stages,
        registry=last.manifest.build.registry if stages else "",
        branch=branch,
    )


def _stage(name: str, found: Sketch) -> Stage:
    target = found.manifest.targets.get(found.manifest.target)
    return Stage(
        name=name,
        secrets=tuple(sorted({secret for secret in found.secrets if "/" not in secret} | set(found.credentials))),
        ssh=target is not None and any(url.startswith("ssh://") for url in target.engines),
    )


def _programs(found: Sketch, *, base: Path, root: Path) -> list[Program]:
    programs: list[Program] = []
    for name, app in found.manifest.apps.items():
        if not app.build:
            continue
        folder = (base / app.build).resolve()
        if not folder.is_relative_to(root.resolve()):
            hint = f"keep it below {root}"
            raise StartError(f"{folder} is outside of the repository", hint=hint, place=f"apps.{name}.build")
        programs.append(program(name, folder, root=root.resolve()))
    return programs


def _root(folder: Path) -> Path:
    """Of the repository; without one, the manifest's own folder."""
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)
