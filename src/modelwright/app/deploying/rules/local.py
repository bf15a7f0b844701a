"""What must be true of plain processes: that there is a program to run, and nothing that only Docker has."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules

_KIND = "a target of kind local"


def _programs(case: Case) -> Iterator[Finding]:
    for name, app in case.manifest.apps.items() if _is_local(case) else ():
        here: Path = ("apps", name)
        if app.image and not app.build:
            yield Finding((*here, "image"), f"{_KIND} runs no images", "name its folder: `build: …`", on_key=True)
        elif not app.command:
            problem, remedy = f"{_KIND} has no image that knows how it is started", "write `command: …`"
            yield Finding(here, problem, remedy, on_key=True)
        for key in sorted(app.resources.model_fields_set):
            problem = f"{_KIND} runs plain processes, which have as much as there is"
            yield Finding((*here, "resources", key), problem, f"remove it for {case.environment}", on_key=True)


def _services(case: Case) -> Iterator[Finding]:
    for name, service in case.manifest.services.items() if _is_local(case) else ():
        if service.url is None:
            remedy = f'name one that runs: `url: "${{secret:{name.upper()}_URL}}"`'
            yield Finding(("services", name), f"{_KIND} runs no services", remedy, on_key=True)


def _is_local(case: Case) -> bool:
    target = case.manifest.targets.get(case.manifest.target)
    return case.deploying and target is not None and target.kind == "local"


RULES: Rules = (_programs, _services)
