"""The gateway as a workload: `modelwright up` with the manifest of its own, and what proves that it can answer."""

from __future__ import annotations

import json
from typing import Any

from modelwright.app.deploying.desired.apps import needed
from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.site import Site
from modelwright.app.deploying.desired.values import GATEWAY, PORT, Values
from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.manifest.rules.operations import running, served, served_alone
from modelwright.app.manifest.schema import Manifest
from modelwright.app.plugins import engine_row
from modelwright.app.settings.settings import PEPPER_NAME
from modelwright.core.deploying.places import MANIFEST
from modelwright.core.deploying.workloads import Gate, Workload

GRACE = 30.0
"""Seconds that running calls may take to end; the container is given a little more."""
TRIED_BY = "deploy-gate"
"""Name of the key that the gate asks with."""
_READY = "/v2/health/ready"
"""Every model has answered its own check."""
_MOST = 64 << 10
"""Bytes of a request that stands in the description."""
_DEADLINE = 600.0
"""Seconds that models may take to load."""


def gateway_workload(
    loaded: LoadedManifest, site: Site, *, image: str, values: Values, brought: Brought, pepper: str
) -> Workload:
    """What runs of it; `pepper` is what keys' digests are made with, the same for all that share a database."""
    manifest = loaded.manifest
    keys = {name: values.key(name) for name in sorted(made_keys(loaded))}
    asked = asked_by_gate(loaded)
    if asked is not None and manifest.access.auth == "required":
        keys[TRIED_BY] = values.key(TRIED_BY)
    site.secret(PEPPER_NAME, pepper)
    mounts = site.mounts(keys)
    bearer = brought.secret(keys[TRIED_BY]) if TRIED_BY in keys else ""
    stores = [store for store in (manifest.store.database, manifest.store.redis) if store is not None]
    return Workload(
        name=GATEWAY,
        kind="gateway",
        image=image,
        command=(
            "modelwright",
            "up",
            "-f",
            MANIFEST,
            "--env",
            loaded.environment,
            "--grace",
            f"{GRACE:g}",
            "--no-watch",
            *site.footing.ports,
        ),
        mounts=mounts,
        port=PORT,
        gate=_gate(asked, bearer),
        gpu=0 if site.footing.program else _gpus(manifest),
        grace=GRACE + 10.0,
        after=tuple(sorted(needed(stores) - {GATEWAY})),
    )


def _gpus(manifest: Manifest) -> int:
    return sum(model.resources.gpu * max(1, model.scale.min) for model in running(manifest).values())


def made_keys(loaded: LoadedManifest) -> set[str]:
    """Names of the keys that apps refer to."""
    references = (
        one for app in loaded.manifest.apps.values() for value in app.env.values() for one in value.references
    )
    return {reference.name for reference in references if reference.kind == "key"}


def asked_by_gate(loaded: LoadedManifest) -> tuple[str, dict[str, Any]] | None:
    """(path, body) of a real inference by the check of a model that clients can reach; None when none has one."""
    for model, endpoint in _reachable(loaded).items():
        check = loaded.check(model)
        if check is None or check.stat().st_size > _MOST:
            continue
        body: dict[str, Any] = json.loads(check.read_bytes())
        wire = engine_row(loaded.engines[model]).wire
        if wire == "openai":
            path = "/v1/chat/completions" if "messages" in body else "/v1/completions"
            return path, {**body, "model": endpoint, "stream": False}
        if wire == "plain" and not _is_v2(body):
            return f"/predict/{endpoint}", body
        return f"/v2/models/{endpoint}/infer", body
    return None


def _reachable(loaded: LoadedManifest) -> dict[str, str]:
    """By model whose every call an endpoint passes on: the name that clients call."""
    manifest = loaded.manifest
    found = {model: model for model in served_alone(manifest)}
    for name, endpoint in manifest.endpoints.items():
        models = {served(manifest, variant) if variant.serve else "" for variant in endpoint.variants.values()}
        if len(models) == 1 and "" not in models:
            found.setdefault(models.pop(), name)
    return found


def _gate(asked: tuple[str, dict[str, Any]] | None, bearer: str) -> Gate:
    if asked is None:
        return Gate(path=_READY, deadline=_DEADLINE)
    path, body = asked
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return Gate(path=path, method="POST", body=text, ready=_READY, bearer=bearer, deadline=_DEADLINE)


def _is_v2(asked: dict[str, Any]) -> bool:
    """A class that declares tensors is tried by a V2 request."""
    inputs = asked.get("inputs")
    return isinstance(inputs, list) and all(isinstance(one, dict) and "shape" in one for one in inputs)
