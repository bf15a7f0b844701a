"""What must be true of services: that their kind is known, and that nothing is said that would be ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from modelwright.app.deploying.services import ALERTMANAGER, KINDS, PROMETHEUS
from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.manifest.secret import Secret
from modelwright.core.nearest import nearest

_OF_ONE: Mapping[str, str] = {
    "vector": "postgres",
    "every": PROMETHEUS,
    "keep": PROMETHEUS,
    "rules": PROMETHEUS,
    "webhook": ALERTMANAGER,
    "config": ALERTMANAGER,
    "secrets": ALERTMANAGER,
}
"""Keys that one kind alone has."""


def _kinds(case: Case) -> Iterator[Finding]:
    for name, service in case.manifest.services.items():
        here: Path = ("services", name)
        if name not in KINDS:
            close = nearest(name, KINDS)
            remedy = f"did you mean {close}? " if close else ""
            problem = f"{name!r} is no service that a target keeps"
            yield Finding(here, problem, f"{remedy}Known: {', '.join(KINDS)}", close, on_key=True)
        elif KINDS[name].away and service.url is None:
            remedy = f'name one that runs elsewhere: `{name}: {{url: "http://{name}.example.com:3100"}}`'
            yield Finding(here, f"no {name.capitalize()} is run on a target", remedy, on_key=True)
        for key, kind in _OF_ONE.items():
            if getattr(service, key) and name != kind:
                yield Finding((*here, key), f"`{key}` is for {kind}", "remove it", on_key=True)
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
        yield from _open(case, service.url, (*here, "url"), name=f"{name.upper()}_URL")


def _open(case: Case, address: Secret, here: Path, *, name: str) -> Iterator[Finding]:
    if address.is_literal and here not in case.unknown and _has_password(address.reveal()):
        yield Finding(here, "holds a password", f"put the address into the environment, write `${{secret:{name}}}`")


def _has_password(text: str) -> bool:
    try:
        return urlsplit(text).password is not None
    except ValueError:
        return "@" in text


def _looked_at(case: Case) -> Iterator[Finding]:
    services = case.manifest.services
    if "grafana" in services and services["grafana"].url is None and PROMETHEUS not in services:
        yield Finding(("services", "grafana"), "has nothing to show", "add `prometheus: {}` beside it", on_key=True)


def _told(case: Case) -> Iterator[Finding]:
    """Alerts come from somewhere, and go somewhere."""
    services, here = case.manifest.services, ("services", ALERTMANAGER)
    section = services.get(ALERTMANAGER)
    if section is None:
        return
    if PROMETHEUS not in services or services[PROMETHEUS].url is not None:
        remedy = (
            "add `prometheus: {}` beside it" if PROMETHEUS not in services else "name it in the settings of that one"
        )
        yield Finding(here, "is told nothing: no Prometheus is run here", remedy, on_key=True)
    if section.url is not None:
        return
    if section.webhook is None and not section.config:
        remedy = 'write such as `webhook: "${secret:ALERTS_URL}"`, or `config: ./alertmanager.yaml`'
        yield Finding(here, "tells nobody", remedy, on_key=True)
    if section.webhook is not None and section.config:
        yield Finding((*here, "webhook"), "stands beside `config`, which says who is told", "remove one of them")
    if section.secrets and not section.config:
        yield Finding((*here, "secrets"), "is for what `config` reads", "remove it, or write `config`", on_key=True)
    if section.webhook is not None:
        place = (*here, "webhook")
        yield from _open(case, section.webhook, place, name="ALERTS_URL")
        if section.webhook.is_literal and place not in case.unknown and not _is_web(section.webhook.reveal()):
            yield Finding(place, "is no address of the web", "write such as https://alerts.example.com/hook")
    for name, value in section.secrets.items():
        if value.is_literal and (*here, "secrets", name) not in case.unknown:
            remedy = f"put it into the environment or a store, and write `${{secret:{name}}}`"
            yield Finding((*here, "secrets", name), "a secret stands in the file or is copied into it", remedy)


def _is_web(text: str) -> bool:
    try:
        address = urlsplit(text)
    except ValueError:
        return False
    return address.scheme in {"http", "https"} and bool(address.hostname)


def _files(case: Case) -> Iterator[Finding]:
    for place, problem in case.beside.items():
        yield Finding(place, f"cannot be used: {problem}", "mend the file, or name another one")


RULES: Rules = (_kinds, _elsewhere, _looked_at, _told, _files)
