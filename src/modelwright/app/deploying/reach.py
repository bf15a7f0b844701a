"""Where a deploy goes: a table of kinds of targets, each connected only when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from modelwright.app.deploying.desired.rollout import rise_of
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.app.manifest.load import deploying_of
from modelwright.app.manifest.schema import Manifest
from modelwright.app.plugins import require_deploy
from modelwright.core.deploying.trials import Rise
from modelwright.core.errors.deploying import DeployError
from modelwright.core.ports.deploying.data import Data
from modelwright.core.ports.deploying.targets import Contents, Target
from modelwright.core.prices import nearest_units
from modelwright.deploy.standing.costs import Rates

Result = TypeVar("Result")


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One environment of a manifest."""

    manifest: Path
    project: str
    environment: str
    target: TargetSection
    rise: Rise


class Reached(Protocol):
    """A target that is connected."""

    @property
    def target(self) -> Target:
        """What plans are carried out on."""
        ...

    async def prepare(self, keeper: str) -> None:
        """Make what has to be there before a lease can be taken; `keeper`: the image that keeps its memory."""
        ...

    async def salt(self) -> str:
        """Of the environment; empty before it was prepared."""
        ...


@runtime_checkable
class Lasting(Reached, Protocol):
    """One whose data can be kept, and put back."""

    async def with_data(self, work: Callable[[Data], Result]) -> Result:
        """Have it done in a thread; whoever is cancelled meanwhile lets go when it has ended."""
        ...

    async def adopt(self, salt: str) -> None:
        """Have the salt of another environment from now on; raises DeployError where anything was deployed."""
        ...


Reach = Callable[[Site, Contents], AbstractAsyncContextManager[Reached]]
"""(site, what steps may ask for) → its target, while it is used."""


def _docker(site: Site, contents: Contents) -> AbstractAsyncContextManager[Reached]:
    require_deploy()
    return import_module("modelwright.app.deploying.docker_host").docker_host(site, contents)


def _local(site: Site, contents: Contents) -> AbstractAsyncContextManager[Reached]:
    require_deploy()
    return import_module("modelwright.app.deploying.here.machine").local_host(site, contents)


TARGETS: Mapping[str, Reach] = {"docker": _docker, "local": _local}


def site_of(manifest: Path, *, environment: str | None) -> Site:
    """Where an environment is deployed to; secrets and models may be missing. Raises ManifestError, DeployError."""
    name, found = deploying_of(manifest, environment=environment)
    rise = rise_of(found.rollout)
    return Site(
        manifest=manifest, project=found.name, environment=name, target=target_of(found, environment=name), rise=rise
    )


def target_of(manifest: Manifest, *, environment: str) -> TargetSection:
    """Where it goes. Raises DeployError when it says nowhere."""
    target = manifest.targets.get(manifest.target)
    if target is None:
        write = f"write `environments: {{{environment}: {{target: NAME}}}}`, with a NAME under `targets`"
        hint = f"{write}, or say which environment by `--env`"
        raise DeployError(f"the environment {environment} has no target", hint=hint, place="target")
    return target


def rates_of(target: TargetSection) -> Rates:
    """What it costs, as the manifest says."""
    price = target.price
    cpu, memory, gpu = (nearest_units(amount or Decimal()) for amount in (price.cpu, price.memory, price.gpu))
    return Rates(cpu=cpu, memory=memory, gpu=gpu, currency=price.currency)


def reach_of(site: Site, targets: Mapping[str, Reach] = TARGETS) -> Reach:
    """By the kind of its target; raises DeployError for one that others start."""
    if site.target.kind not in targets:
        hint = f"render it instead: modelwright render {site.target.kind}"
        raise DeployError(f"a target of kind {site.target.kind} is started by somebody else", hint=hint)
    return targets[site.target.kind]
