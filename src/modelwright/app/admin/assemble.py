"""Puts the admin API together; loaded after the first snapshot is written, for its libraries take their time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from modelwright.adapters.http.pool import Limits, Pool
from modelwright.app.admin.api import add_tokens, create_api
from modelwright.app.admin.door import Asgi
from modelwright.app.admin.oauth.tokens import AdminTokens
from modelwright.app.admin.prompts import add_prompts
from modelwright.app.admin.publish import Publisher
from modelwright.app.admin.spending import Spending, add_spending
from modelwright.app.admin.store import Store
from modelwright.app.admin.variants import add_variants
from modelwright.app.admin.view import View
from modelwright.app.admin.workers import Workers
from modelwright.app.explaining.desk import ExplainDesk, add_explain
from modelwright.app.issuers.watch import IssuerWatch
from modelwright.app.keys.desk import KeyDesk, Tell
from modelwright.app.keys.types import Spread
from modelwright.app.models.api import add_models
from modelwright.app.models.desk import HeldBy, ModelDesk
from modelwright.app.parts import PartSpec
from modelwright.app.prompts.desk import PromptDesk
from modelwright.app.prompts.shelf import prompt_registry
from modelwright.app.repository.aliases import AliasWatch
from modelwright.app.repository.api import add_repository
from modelwright.app.repository.desk import RepositoryDesk
from modelwright.app.system import resident_mb
from modelwright.app.tasks.api import add_tasks
from modelwright.app.tasks.desk import TaskDesk
from modelwright.app.variants.desk import VariantDesk
from modelwright.app.variants.weights import LiveWeights
from modelwright.core.contracts.events import Event
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.clock import Clock
from modelwright.core.status import Busy
from modelwright.observe.control_metrics import ControlMetrics
from modelwright.observe.metrics import Reading


def assemble(
    spec: PartSpec,
    store: Store,
    *,
    publisher: Publisher,
    issuers: IssuerWatch,
    pepper: bytes,
    clock: Clock,
    emit: Callable[[Event], None],
    tokens: AdminTokens,
    weights: LiveWeights,
    take_in: Callable[[], Awaitable[None]],
    readings: Mapping[str, Reading],
    tasks: TaskDesk,
    aliases: AliasWatch,
) -> Asgi:
    """The application that stands behind the admin door; `take_in` brings into the ledger what workers have written."""
    runtime = Path(spec.runtime)
    workers = Workers(runtime, Pool(limits=Limits(idle=0)), own=spec.name)  # a kept connection would slow their drain
    tell = teller(publisher, workers)
    issuers.told = tell
    desk = KeyDesk(store.keys, pepper=pepper, clock=clock, tell=tell, emit=emit)
    view = View(
        runtime,
        workers,
        name=spec.name,
        busy=lambda: Busy(snapshot=publisher.serial, memory_mb=resident_mb()),
        metrics=ControlMetrics(readings),
    )
    variants = VariantDesk(publisher.base, weights, store.variants, clock=clock, tell=tell)
    api = create_api(desk, store.ledger, view, issuers=issuers, tell=tell)
    add_tokens(api, tokens)
    add_variants(api, variants)
    add_prompts(api, PromptDesk(prompt_registry(store.registry, clock), tell))
    repository = RepositoryDesk(runtime)
    models = ModelDesk(store.registry, clock, held_by=_held_by(store, clock, repository))
    add_models(api, models, moved=aliases.look)
    add_explain(api, ExplainDesk(lambda: publisher.in_force, store.keys, clock))
    add_tasks(api, tasks)
    add_repository(api, repository)
    add_spending(api, Spending(store.spending, base=publisher.base, take_in=take_in, clock=clock))
    return api


def _held_by(store: Store, clock: Clock, repository: RepositoryDesk) -> HeldBy:
    """Who serves an artifact, on this host and on those that share the database, or is about to do it on this one."""

    async def held_by(digest: str) -> list[str]:
        found = await store.holds.of(digest, now=clock.now(), ours=True)
        if not found and digest in await repository.in_use():
            found = ["a process of this host, which loads it or still ends"]
        return found

    return held_by


def teller(publisher: Publisher, workers: Workers) -> Tell:
    """Write a snapshot and have the gateways take it; what fails is part of the answer, for the key is stored."""

    async def tell() -> Spread:
        try:
            serial = await publisher.publish()
        except (SQLAlchemyError, OSError, ModelwrightError) as error:
            return Spread(serial=0, confirmed=[], unconfirmed=[], problem=str(error))
        reloaded = await workers.reload(serial)
        return Spread(serial=serial, confirmed=list(reloaded.confirmed), unconfirmed=list(reloaded.unconfirmed))

    return tell
