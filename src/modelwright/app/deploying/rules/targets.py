"""What must be true of targets, and of what is deployed to one: several of it may run side by side there."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.core.addresses import is_loopback, split_address


def _target(case: Case) -> Iterator[Finding]:
    target = case.manifest.target
    if target and target not in case.names("targets"):
        yield unknown_name(("target",), target, section="targets", known=case.names("targets"))


def _hosts(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, target in case.manifest.targets.items():
        here: Path = ("targets", name)
        publish = target.doors
        for key in sorted({"host", "hosts", "price"} & target.model_fields_set) if target.kind == "compose" else ():
            problem = f"`{key}` is for hosts that we deploy to, and Compose is started by somebody else"
            yield Finding((*here, key), problem, "remove it", on_key=True)
        for key in (
            sorted({"host", "hosts", "edge_image", "price"} & target.model_fields_set) if target.kind == "local" else ()
        ):
            yield Finding((*here, key), f"`{key}` is for hosts with Docker", "remove it", on_key=True)
        if target.kind == "local" and not publish.http:
            yield Finding((*here, "publish", "http"), "is what HTTPS is asked for by", "write such as 127.0.0.1:8080")
        if target.hosts and "host" in target.model_fields_set:
            yield Finding((*here, "host"), "is one host, and `hosts` names several", "remove one of them", on_key=True)
        places: list[tuple[Path, str]] = [((*here, "hosts", index), url) for index, url in enumerate(target.hosts)]
        for index, (place, url) in enumerate(places or [((*here, "host"), target.host)]):
            if url.startswith("tcp://") and not is_loopback(urlsplit(url).hostname or ""):
                problem = "is reached without encryption: who is on the way reads every secret, and is root there"
                yield Finding(place, problem, "write such as ssh://user@host")
            if url in target.hosts[:index]:
                yield Finding(place, f"{url} stands there twice", "name each host once")
        if not publish.http and not publish.https:
            yield Finding((*here, "publish"), "leaves no way in", 'write such as `http: "0.0.0.0:80"`')
        elif publish.http and publish.https and _port(publish.http) == _port(publish.https):
            yield Finding((*here, "publish", "https"), "is the port of `http`, too", "choose another one")


def _port(address: str) -> int:
    return split_address(address)[1]


def _deployed(case: Case) -> Iterator[Finding]:
    """Releases run side by side, behind an edge: what is right for one machine alone is not right there."""
    manifest = case.manifest
    if not case.deploying or manifest.target not in manifest.targets:
        return
    local = manifest.targets[manifest.target].kind == "local"
    database: Path = ("store", "database")
    if case.has_gateway and manifest.store.database is None and database not in case.unknown:
        problem = "is a file, and on a target the gateway of the next release runs beside this one's"
        value = "${secret:DATABASE_URL}" if local else "${service:postgres.url}"
        remedy = f'write `store: {{database: "{value}"}}` under environments.{case.environment}'
        own = local or "postgres" in manifest.services
        yield Finding(database, problem, remedy if own else f"{remedy}, and `services: {{postgres: {{}}}}`")
    if manifest.access.auth == "none":
        problem = "`none` lets everybody call who reaches the target"
        yield Finding(("access", "auth"), problem, "write `required`, or `optional`")
    for name, provider in manifest.providers.items():
        if not local and name not in case.off and is_loopback(urlsplit(provider.base_url).hostname or ""):
            problem = "is the gateway's own container, on a target"
            yield Finding(("providers", name, "base_url"), problem, "name the host by an address that others reach")
    published = manifest.targets[manifest.target].doors
    for name, route in manifest.routes.items():
        if route.tls is not None and not published.https:
            remedy = f'write `publish: {{https: "0.0.0.0:443"}}` under targets.{manifest.target}'
            yield Finding(("routes", name, "tls"), f"the target {manifest.target} publishes no HTTPS", remedy)


RULES: Rules = (_target, _hosts, _deployed)
