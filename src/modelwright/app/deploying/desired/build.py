"""From a manifest that was read to the description of all that a target is to run: the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from modelwright.app.deploying.desired.apps import app_workload
from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.gateway import gateway_workload
from modelwright.app.deploying.desired.grounds.footing import CONTAINERS, processes
from modelwright.app.deploying.desired.kept.around import Around
from modelwright.app.deploying.desired.prepare import Prepared
from modelwright.app.deploying.desired.routes import edge_workload, routes_of
from modelwright.app.deploying.desired.services import service_workload
from modelwright.app.deploying.desired.site import Site
from modelwright.app.deploying.desired.values import GATEWAY, Values
from modelwright.app.manifest.rules.operations import has_gateway
from modelwright.core.deploying.workloads import Desired, Workload
from modelwright.core.errors.deploying import DeployError
from modelwright.core.prompting.variables import label


def desired(prepared: Prepared, *, images: Mapping[str, str], salt: str) -> tuple[Desired, Brought]:
    """What should run, and what goes there with it.

    `images` are those that were built, by workload; `salt` is the target's own. Raises DeployError for an image that
    is missing, OSError for a file that is gone by now.
    """
    loaded = prepared.loaded
    manifest, target = loaded.manifest, prepared.target
    brought = Brought(salt)
    footing = processes(loaded.environment) if target.kind == "local" else CONTAINERS
    values = Values(salt, services=manifest.services, secret=prepared.secret, gateway=footing.gateway)
    site = Site(loaded, prepared.located, values=values, brought=brought, footing=footing)
    around = Around(loaded, target, values, brought)
    pepper = prepared.pepper or values.password("pepper")
    workloads: list[Workload] = []
    if has_gateway(manifest):
        image, replicas = _image(GATEWAY, images), len(target.engines)
        made = gateway_workload(loaded, site, image=image, values=values, brought=brought, pepper=pepper)
        workloads.append(msgspec.structs.replace(made, replicas=replicas))
    workloads += [
        *(
            _as_process(app_workload(name, app, image=footing.program, values=values, brought=brought), site)
            if footing.program
            else app_workload(name, app, image=app.image or _image(name, images), values=values, brought=brought)
            for name, app in manifest.apps.items()
        ),
        *(
            service_workload(name, service, around)
            for name, service in manifest.services.items()
            if service.url is None
        ),
    ]
    if manifest.routes:
        workloads.append(edge_workload(loaded, target, values=values, brought=brought))
    routes = routes_of(manifest.routes)
    described = Desired(
        project=manifest.name,
        environment=loaded.environment,
        workloads=_linked(workloads, {route.workload for route in routes}),
        routes=routes,
        edge=target.edge,
        trusted=tuple(map(str, manifest.gateway.trusted_proxies)),
        models={name: found.digest for name, found in sorted(prepared.located.items())},
        prompts={label(prompt): prompt.digest for prompt in loaded.prompts},
        keep=target.keep_releases,
    )
    return described, brought


def _as_process(workload: Workload, site: Site) -> Workload:
    """With its sources, as they are now, in place of an image."""
    return msgspec.structs.replace(workload, mounts=(*workload.mounts, site.sources(workload.name)))


def _linked(workloads: list[Workload], routed: set[str]) -> tuple[Workload, ...]:
    """By name, and without those that it would wait for in vain, since they run elsewhere."""
    names = {workload.name for workload in workloads}
    linked = (
        msgspec.structs.replace(
            one,
            after=tuple(name for name in one.after if name in names),
            exposed=one.kind == "service" and one.name in routed,
        )
        for one in workloads
    )
    return tuple(sorted(linked, key=lambda workload: workload.name))


def _image(name: str, images: Mapping[str, str]) -> str:
    if name not in images:
        raise DeployError(f"there is no image for {name}", hint="build it: modelwright package", place=name)
    return images[name]
