"""What must be true of routes: that each leads to something that listens, and that no two are the same way in."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.deploying.sections.routes import RouteSection
from modelwright.app.deploying.services import KINDS
from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.core.quantities import parse_rates

GATEWAY = "gateway"
"""Where a path may lead beside apps."""
NO_GATEWAY = "no gateway runs, since no model and no endpoint is named"


def _paths(case: Case) -> Iterator[Finding]:
    pages = {name for name, row in KINDS.items() if row.pages and name in case.names("services")}
    known = {*case.names("apps"), GATEWAY, *pages}
    taken: dict[tuple[str, str], str] = {}
    for name, route in case.manifest.routes.items():
        for prefix, app in route.paths.items():
            here: Path = ("routes", name, "paths", prefix)
            section = case.manifest.apps.get(app)
            if app == GATEWAY and not case.has_gateway:
                yield Finding(here, NO_GATEWAY, "add a section `models` or `endpoints`, or lead it to an app")
            elif app not in known:
                yield unknown_name(here, app, section="apps", known=known)
            elif section is not None and not section.port and ("apps", app, "port") not in case.unknown:
                yield Finding(here, f"leads to {app}, which listens on no port", f"write `port: …` under apps.{app}")
            elif app in pages and prefix != "/":
                yield Finding(here, f"{app} answers for all of a host", f"give it a route of its own: `/: {app}`")
            elif app in pages and case.manifest.services[app].url is not None:
                yield Finding(here, f"{app} runs elsewhere", "send people there")
            way = (route.host, prefix.rstrip("/"))
            if way in taken:
                remedy = "remove one of them, or give the routes other hosts"
                yield Finding(here, f"is a path of the route {taken[way]} at the same host, too", remedy, on_key=True)
            taken.setdefault(way, name)


def _certificates(case: Case) -> Iterator[Finding]:
    for name, route in case.manifest.routes.items():
        tls, here = route.tls, ("routes", name, "tls")
        if tls is None:
            continue
        if bool(tls.acme) == bool(tls.certificate):
            problem = "names both `acme` and `certificate`" if tls.acme else "names neither `acme` nor `certificate`"
            yield Finding(here, problem, "write one of them: `acme: ops@example.com`, or `certificate` and `key`")
        if tls.certificate and tls.key is None:
            yield Finding(here, "`key` is missing", 'write such as `key: "${secret:TLS_KEY}"`')
        for key in ("key", "directory"):
            wanted = tls.certificate if key == "key" else tls.acme
            if getattr(tls, key) and not wanted:
                yield Finding((*here, key), "has nothing to do here", "remove it", on_key=True)
        if tls.key is not None and tls.key.is_literal and (*here, "key") not in case.unknown:
            remedy = "put it into the environment or a store, and write `${secret:NAME}`"
            yield Finding((*here, "key"), "a secret stands in the file or is copied into it", remedy)
        yield from _authority(name, route)


def _authority(name: str, route: RouteSection) -> Iterator[Finding]:
    """It asks at the host itself who that is."""
    if route.tls is None or not route.tls.acme:
        return
    here: Path = ("routes", name, "host")
    if not route.host:
        yield Finding(
            ("routes", name, "tls", "acme"), "needs the name of a host", f"write `host: …` under routes.{name}"
        )
    elif route.host.startswith("*."):
        yield Finding(here, "a certificate for all names is not given by HTTP", "name one host, or use `certificate`")


def _single(case: Case) -> Iterator[Finding]:
    for name, route in case.manifest.routes.items():
        here: Path = ("routes", name)
        affinity = route.affinity
        if affinity is not None and bool(affinity.cookie) == bool(affinity.header):
            yield Finding((*here, "affinity"), "is by one thing", "write `cookie: NAME` or `header: NAME`")
        if route.rate_limit and len(parse_rates(route.rate_limit)) > 1:
            yield Finding((*here, "rate_limit"), "holds several rates", "write one, such as 600/min")
        for header, value in route.headers.items():
            if not value.isprintable():
                yield Finding((*here, "headers", header), "holds what no header can", "write one line of plain text")


RULES: Rules = (_paths, _certificates, _single)
