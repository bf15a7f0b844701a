"""What must be true of apps: that each has an image, and that what its variables refer to is there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from modelwright.app.deploying.rules.routes import NO_GATEWAY
from modelwright.app.deploying.services import KINDS, parts_of
from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.app.settings.references import Reference
from modelwright.core.nearest import nearest

OWN = ("gateway", "edge", "keeper")
"""Names of what we run ourselves on a target."""


def _images(case: Case) -> Iterator[Finding]:
    for name, app in case.manifest.apps.items():
        here: Path = ("apps", name)
        if name in {*OWN, *KINDS}:
            yield Finding(here, f"{name!r} is the name of a part of ours", "give it another name", on_key=True)
        if not app.made_of:
            remedy = f"write `build: ./{name}`, a folder with its sources, or `image: …`"
            yield Finding(here, "has neither `build` nor `image`", remedy, on_key=True)
        elif app.build and app.image:
            yield Finding((*here, "image"), "stands beside `build`", "remove one of them", on_key=True)
        if name in case.builds:
            remedy = "name the folder with its sources, relative to this file"
            yield Finding((*here, "build"), f"{app.build!r} {case.builds[name]}", remedy)


def _commands(case: Case) -> Iterator[Finding]:
    for name, app in case.manifest.apps.items():
        for key in ("command", "release_command"):
            try:
                shlex.split(getattr(app, key))
            except ValueError:
                yield Finding(("apps", name, key), "has a quote that is not closed", "close it")


def _ports(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, app in case.manifest.apps.items():
        for key in {"health", "gate"} & app.model_fields_set if not app.port else ():
            remedy = f"write `port: …` under apps.{name}, or remove it"
            yield Finding(("apps", name, key), "asks an app that listens on no port", remedy, on_key=True)
        if app.gate.body and app.gate.method in {"GET", "HEAD"}:
            yield Finding(("apps", name, "gate", "body"), f"is not sent by {app.gate.method}", "write `method: POST`")


def _variables(case: Case) -> Iterator[Finding]:
    for name, app in case.manifest.apps.items():
        for variable, value in app.env.items():
            for reference in value.references:
                here: Path = ("apps", name, "env", variable)
                if reference.kind == "service":
                    yield from _service(case, here, reference)
                elif reference.kind in {"gateway", "key"} and not case.has_gateway:
                    yield Finding(here, NO_GATEWAY, "add a section `models` or `endpoints`, or remove it")


def replaced_keys(case: Case) -> Iterator[Finding]:
    """A warning: on a target, an app's key is the environment's, whatever the manifest says for this machine."""
    manifest = case.manifest
    if manifest.target not in manifest.targets:
        return
    values = (value for app in manifest.apps.values() for value in app.env.values())
    referred = {one.name for value in values for one in value.references if one.kind == "key"}
    for name in sorted(referred & {*manifest.access.keys}):
        if manifest.access.keys[name].key is not None:
            problem = (
                f"is not used on a target: apps refer to `${{key:{name}}}`, which the environment makes for itself"
            )
            yield Finding(("access", "keys", name, "key"), problem, "remove it, or give one of the two another name")


def _stores(case: Case) -> Iterator[Finding]:
    for key, kind in (("database", "postgres"), ("redis", "redis")):
        store, here = getattr(case.manifest.store, key), ("store", key)
        for reference in store.references if store is not None else ():
            if reference.kind != "service":
                continue
            yield from _service(case, here, reference)
            service = reference.name.partition(".")[0]
            if service in {*KINDS} - {kind}:
                yield Finding(here, f"{service} is no {kind}", f"write `${{service:{kind}.url}}`")


def _service(case: Case, here: Path, reference: Reference) -> Iterator[Finding]:
    service, _, part = reference.name.partition(".")
    known = case.names("services")
    if service not in known:
        found = unknown_name(here, service, section="services", known=known)
        yield (
            found
            if not (service in KINDS and not nearest(service, known))
            else found._replace(remedy=f"add `services: {{{service}: {{}}}}`")
        )
        return
    section = case.manifest.services.get(service)
    parts = ("url",) if section is not None and section.url is not None else parts_of(service)
    if parts and part not in parts:
        close = nearest(part, parts)
        remedy = f"did you mean `{service}.{close}`?" if close else f"known: {', '.join(parts)}"
        yield Finding(here, f"a service {service} has no {part!r} to refer to", remedy)


RULES: Rules = (_images, _commands, _ports, _variables, _stores)
