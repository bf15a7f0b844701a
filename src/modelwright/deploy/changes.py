"""What will be another thing after a deploy, field by field, for people; what is secret shows only that it changes."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.core.deploying.observed import Observed
from modelwright.core.deploying.steps import Change, Edit
from modelwright.core.deploying.workloads import Desired, Mount, Route, Workload, digest_of
from modelwright.deploy.homes import LIVE, description, homes, identities, living, wanted
from modelwright.deploy.placement import complete, placed

_PLAIN = (
    "image",
    "command",
    "port",
    "publish",
    "replicas",
    "cpu",
    "memory",
    "gpu",
    "grace",
    "before",
    "after",
    "exposed",
    "outside",
)
_WORDS = {"before": "release command", "after": "waits for", "exposed": "reached by the edge", "outside": "reaches out"}


def changes(desired: Desired, observed: Observed, release: str) -> Iterator[Change]:
    """In the order of the manifest: workloads, routes, then what goes."""
    known = description(observed, observed.current)
    before = {one.name: one for one in known.workloads} if known else {}
    for workload in desired.workloads:
        yield from _workload(workload, desired, observed, release=release)
    names = {one.name for one in desired.workloads}
    for name, old in before.items():
        if name not in names and not old.lasting:
            yield Change(act="remove", kind="workload", name=name)
    yield from _routes(desired, observed, release=release)


def _workload(workload: Workload, desired: Desired, observed: Observed, *, release: str) -> Iterator[Change]:
    known = description(observed, observed.current)
    old = next((one for one in known.workloads if one.name == workload.name), None) if known else None
    running = [one for one in observed.instances if one.workload == workload.name and one.state in LIVE]
    digest, name, count = (
        identities(desired)[workload.name],
        workload.name,
        1 if workload.lasting else workload.replicas,
    )
    home = "" if workload.lasting else homes(desired, observed, release)[name]
    here = living(name, digest, running, release=home)
    if here == count if workload.lasting else complete(workload, observed, release=home, digest=digest):
        return
    hosts = () if workload.lasting else placed(workload, observed, release=home, digest=digest)
    places = [Edit(field="on", after=", ".join(hosts))] if hosts else []
    if old is not None and digest_of(old) == digest_of(workload) and (here or not running):
        missing = Edit(field="instances", before=str(here), after=str(count))
        yield Change(act="repair", kind="workload", name=name, edits=(missing, *places))
    elif old is None and not running:
        image = Edit(field="image", after=workload.image)
        yield Change(act="create", kind="workload", name=name, edits=(image, *places))
    else:
        edits = tuple(edited(old, workload)) if old is not None else ()
        edits = edits or (Edit(field="what it reaches", before="as it was", after="changes"),)
        act = "restart" if workload.lasting else "replace"
        yield Change(act=act, kind="workload", name=name, edits=(*edits, *places))


def edited(old: Workload, new: Workload) -> Iterator[Edit]:
    """The fields in which two descriptions differ."""
    for field in _PLAIN:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield Edit(field=_WORDS.get(field, field), before=_told(before), after=_told(after))
    for key in sorted({*old.env, *new.env}):
        if old.env.get(key) != new.env.get(key):
            yield Edit(field=f"env {key}", before=old.env.get(key, ""), after=new.env.get(key, ""))
    olds, news = {one.path: one for one in old.mounts}, {one.path: one for one in new.mounts}
    for path in sorted({*olds, *news}):
        if olds.get(path) != news.get(path):
            yield _mount(path, olds.get(path), news.get(path))
    if old.gate != new.gate:
        yield Edit(field="check", before=_gate(old), after=_gate(new))


def _mount(path: str, old: Mount | None, new: Mount | None) -> Edit:
    one = new or old
    kind = "secret" if one and one.secret else "volume" if one and one.volume else "file"
    return Edit(field=f"{kind} {path}", before=_content(old), after=_content(new))


def _content(mount: Mount | None) -> str:
    if mount is None:
        return ""
    if mount.secret:
        return "***"
    return mount.digest or mount.volume


def _gate(workload: Workload) -> str:
    gate = workload.gate
    if gate is None:
        return ""
    return f"{gate.method} {gate.path} gives {gate.status} within {gate.deadline:g} s, at most {gate.restarts} restarts"


def _told(value: object) -> str:
    return " ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _routes(desired: Desired, observed: Observed, *, release: str) -> Iterator[Change]:
    known = description(observed, observed.current)
    old = {route.name: route for route in (known.routes if known else ())}
    shares = wanted(desired, homes(desired, observed, release))
    for route in desired.routes:
        before = old.get(route.name)
        edits = [*(_route(before, route) if before else ()), *_moved(observed, route, shares.get(route.name, {}))]
        if edits:
            act = "create" if before is None else "move"
            yield Change(act=act, kind="route", name=route.name, edits=tuple(edits))
    names = {route.name for route in desired.routes}
    for name in sorted({*old, *observed.traffic} - names):
        yield Change(act="remove", kind="route", name=name)


def _route(old: Route, new: Route) -> Iterator[Edit]:
    for field in ("workload", "host", "prefix"):
        if getattr(old, field) != getattr(new, field):
            yield Edit(field=field, before=getattr(old, field), after=getattr(new, field))


def _moved(observed: Observed, route: Route, shares: dict[str, int]) -> Iterator[Edit]:
    now = observed.traffic.get(route.name, {})
    if now != shares:
        yield Edit(field="traffic", before=divided(now), after=divided(shares))


def divided(shares: dict[str, int]) -> str:
    """Such as `r6 90 %, r7 10 %`."""
    return ", ".join(f"{name or 'itself'} {weight} %" for name, weight in shares.items())
