"""What must be true of services: that their kind is known, and that nothing is said that would be ignored."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from modelwright.app.deploying.services import KINDS
from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.core.nearest import nearest


def _kinds(case: Case) -> Iterator[Finding]:
    for name, service in case.manifest.services.items():
        here: Path = ("services", name)
        if name not in KINDS:
            close = nearest(name, KINDS)
            remedy = f"did you mean {close}? " if close else ""
            problem = f"{name!r} is no service that a target keeps"
            yield Finding(here, problem, f"{remedy}Known: {', '.join(KINDS)}", close, on_key=True)
        if service.vector and name != "postgres":
            yield Finding((*here, "vector"), "`vector` is for postgres", "remove it", on_key=True)
        if service.image and service.version:
            yield Finding((*here, "version"), "stands beside `image`, which names one", "remove it", on_key=True)
        if service.image and service.vector:
            yield Finding((*here, "vector"), "stands beside `image`, which has it or not", "remove it", on_key=True)


def _elsewhere(case: Case) -> Iterator[Finding]:
    for name, service in case.manifest.services.items():
        if service.url is None:
            continue
        here: Path = ("services", name)
        for key in service.model_fields_set - {"url"}:
            yield Finding((*here, key), "is for a service that is run, and `url` names one elsewhere", "remove it")
        if service.url.is_literal and (*here, "url") not in case.unknown and _has_password(service.url.reveal()):
            remedy = f"put the address into the environment, write `${{secret:{name.upper()}_URL}}`"
            yield Finding((*here, "url"), "holds a password", remedy)


def _has_password(text: str) -> bool:
    try:
        return urlsplit(text).password is not None
    except ValueError:
        return "@" in text


def _looked_at(case: Case) -> Iterator[Finding]:
    services = case.manifest.services
    if "grafana" in services and services["grafana"].url is None and "prometheus" not in services:
        yield Finding(("services", "grafana"), "has nothing to show", "add `prometheus: {}` beside it", on_key=True)


RULES: Rules = (_kinds, _elsewhere, _looked_at)
