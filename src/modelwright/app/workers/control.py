"""The control process: keys, the ledger's intake, the snapshot, the admin door; of its host only it writes a database.

Its first act is the snapshot, since nobody answers calls without one; the libraries of the admin API come after it.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from modelwright.access.key_limits import with_ids
from modelwright.adapters.http.pool import Pool
from modelwright.adapters.stores.ingest import Ingest
from modelwright.adapters.stores.spool_reader import SpoolReader
from modelwright.app.admin.chores import Chores
from modelwright.app.admin.door import AdminDoor, Asgi
from modelwright.app.admin.publish import Publisher
from modelwright.app.admin.store import Store, open_store
from modelwright.app.issuers.watch import IssuerWatch
from modelwright.app.keys.given import GivenKeys
from modelwright.app.keys.set import KeySet
from modelwright.app.lifecycle import start_worker
from modelwright.app.parts import Notice, PartSpec
from modelwright.app.repository.aliases import AliasWatch
from modelwright.app.repository.desk import RepositoryDesk
from modelwright.app.secret_stores.handing import Handed
from modelwright.app.settings.own_secrets import pepper
from modelwright.app.settings.settings import PEPPER_NAME
from modelwright.app.settings.shared_database import SharedDatabase
from modelwright.app.system import SystemClock
from modelwright.app.tasks.assemble import Tasks
from modelwright.app.variants.weights import KIND, LiveWeights, with_weights
from modelwright.app.wiring.secrets import fresh_secrets, read_settings
from modelwright.app.workers.upstream_tls import upstream_tls
from modelwright.core.contracts.events import Event
from modelwright.core.contracts.release import Release
from modelwright.core.contracts.snapshot import Key, Snapshot
from modelwright.core.status import Status
from modelwright.gateway.identity.source import touch
from modelwright.observe.lines import EventLines, LineWriter
from modelwright.observe.logging import configure_logging
from modelwright.registry.registry import Registry

if TYPE_CHECKING:  # its libraries come later
    from modelwright.observe.metrics import Reading

PATIENCE = 30.0
"""Seconds to wait for a command that holds the database, or for one that is away."""
BEAT = 30.0
"""Seconds between two signs of life to the hosts that share it."""

log = logging.getLogger("modelwright.control")


class ControlWorker:
    """One control process; `_run` is there once the database is open."""

    def __init__(self, spec: PartSpec) -> None:
        """Raises StartError when the pepper or a file of settings cannot be used."""
        self._spec = spec
        self._state = Path(spec.state)
        self._clock = SystemClock()
        self._writer = LineWriter()
        self._lines = EventLines(spec.name)
        configure_logging(spec.name, write=self._writer.write, level=spec.log_level)
        handed = Handed(spec.secrets)
        settings = read_settings(spec, handed)
        self._pepper = pepper(self._state, configured=settings.secret(PEPPER_NAME))
        self._tls = upstream_tls(settings, Path(spec.base))
        self._secrets = fresh_secrets(spec, handed, first=settings)
        self._run: _Run | None = None
        self._door = AdminDoor(pepper=self._pepper, live=self._live, clock=self._clock)

    @property
    def asgi(self) -> Asgi:
        return self._door

    async def start(self) -> Notice:
        is_known = Path(self._spec.runtime, "snapshot.json").exists()  # noqa: ASYNC240 - a look, before anything runs
        store = await open_store(self._state, patience=PATIENCE, is_known=is_known, shared=self._shared())
        tasks = Tasks(
            store.tasks,
            Path(self._spec.runtime),
            keys=store.keys,
            host=store.host,
            present=store.hosts.present,
            tls=self._tls,
            resolve=self._secrets.resolve,
            clock=self._clock,
            emit=self._emit,
        )
        given = GivenKeys(store.keys, pepper=self._pepper, resolve=self._secrets.resolve, clock=self._clock)
        run = self._run = _Run(store, self._spec, clock=self._clock, tls=self._tls, tasks=tasks, given=given)
        await run.publisher.publish()
        run.begin()
        self._door.tasks = tasks.door
        self._door.api = await asyncio.to_thread(self._load_api, run)
        run.watch_aliases()
        return Notice(state="ready")

    def drain(self) -> None:
        self._door.draining = True

    async def stop(self) -> None:
        if self._run is not None:
            await self._run.end()
        self._writer.close()

    def _shared(self) -> SharedDatabase | None:
        if not self._spec.database:
            return None
        return SharedDatabase(
            text=self._spec.database, base=Path(self._spec.base), resolve=self._secrets.resolve, pepper=self._pepper
        )

    def _load_api(self, run: _Run) -> Asgi:
        """In a thread, so that the door goes on saying 'starting': the libraries behind take a third of a second."""
        assembly = import_module("modelwright.app.admin.assemble")
        tokens = assembly.AdminTokens(pepper=self._pepper, live=self._live, issuers=run.issuers, clock=self._clock)
        self._door.tokens = tokens
        return assembly.assemble(
            self._spec,
            run.store,
            publisher=run.publisher,
            issuers=run.issuers,
            pepper=self._pepper,
            clock=self._clock,
            emit=self._emit,
            tokens=tokens,
            weights=run.weights,
            take_in=run.take_in,
            readings=run.readings(),
            tasks=run.tasks.desk,
            aliases=run.aliases,
        )

    def _live(self) -> tuple[Key, ...]:
        return self._run.publisher.live if self._run else ()

    def _emit(self, event: Event) -> None:
        self._writer.write(self._lines.encode((event,)))


class _Run:
    """What works while the database is open."""

    def __init__(
        self,
        store: Store,
        spec: PartSpec,
        *,
        clock: SystemClock,
        tls: Callable[[], ssl.SSLContext],
        tasks: Tasks,
        given: GivenKeys,
    ) -> None:
        self.store = store
        self._given = given
        self._runtime = Path(spec.runtime)
        self.tasks = tasks
        self._pool = Pool(tls=tls)
        self.issuers = IssuerWatch(Path(spec.state), self._pool, clock=clock)
        self.weights = LiveWeights(Registry(KIND, store=store.registry, clock=clock))
        self.publisher = Publisher(
            Path(spec.runtime),
            KeySet(Path(spec.state), store.keys),
            next_serial=partial(store.serials.next, "snapshot"),
            clock=clock,
            refine=self._in_force,
            changes=store.hosts.changes,
        )
        self._state = Path(spec.state)
        self._holding = ""
        """The release whose models are held."""
        self._salt = ""
        """Of every host: whoever was the first has brought it."""
        self._shelf: Any = None
        """Made by the first prompt, for its libraries take their time."""
        self._clock = clock
        self.issuers.told = self.publisher.publish
        self._ingest = Ingest(SpoolReader(Path(spec.state) / "spool", clock=clock), store.ledger)
        self.take_in = self._ingest.step
        self.aliases = AliasWatch(
            store.registry, changes=store.hosts.changes, follow=RepositoryDesk(self._runtime).follow, clock=clock
        )
        self._chores = Chores(self._ingest, self.publisher, check=self._check, beat=partial(touch, Path(spec.runtime)))
        self._beaten = -BEAT
        self._others: tuple[str, ...] = ()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    async def _in_force(self, base: Snapshot) -> Snapshot:
        """The manifest's snapshot with live weights, prompts, limits of keys and the issuers' keys, as known now."""
        if self.store.is_shared and not self._salt:
            self._salt = await self.store.hosts.agree("split_salt", base.split_salt)
        self.tasks.rule(base.tasks)
        await self._hold(base.release)
        await self._given.take_in(base.given_keys)
        weighed = await self._with_prompts(with_weights(base, await self.weights.all()))
        return msgspec.structs.replace(
            weighed,
            given_keys=(),
            split_salt=self._salt or base.split_salt,
            limits=await with_ids(base.limits, self.store.keys, now=self._clock.now()),
            issuers=self.issuers.filled(weighed.issuers),
        )

    async def _hold(self, release: str) -> None:
        """Say what is served here, so that nobody removes it; the models of a release are those of its record."""
        if release == self._holding:
            return
        self._holding = release
        record = self._state / "releases" / f"{release.partition(':')[2]}.json"
        try:
            models = msgspec.json.decode(record.read_bytes(), type=Release).models
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("which models are served is not known: %s", error)
            return
        await self.store.holds.tell(models)

    async def _check(self) -> None:
        """See that the database is there, and let the other hosts that share it see that we are."""
        await self.store.check()
        now = self._clock.monotonic()
        if self.store.is_shared and now - self._beaten >= BEAT:
            others = await self.store.hosts.beat(self._clock.now())
            self._beaten = now
            if others != self._others:
                self._others = others
                log.info("hosts that share the database with this one: %s", ", ".join(others) or "none")
                base = self.publisher.base()
                if others and base.limits.each and not base.redis:
                    log.warning("each host counts limits for itself: set store.redis, and they count together")

    def begin(self) -> None:
        loop = asyncio.get_running_loop()
        works = (self._chores.run(), self.issuers.run(), *self.tasks.works())
        self._tasks = tuple(loop.create_task(work) for work in works)

    def watch_aliases(self) -> None:
        """From now on: who follows one asks the door what it means."""
        self._tasks = (*self._tasks, asyncio.get_running_loop().create_task(self.aliases.run()))

    async def end(self) -> None:
        """Take in what the other workers have left, then close."""
        self._chores.finish()
        self.issuers.finish()
        self.aliases.finish()
        self.tasks.finish()
        if self._tasks:
            for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
                if outcome is not None:
                    log.error("a task of control had ended: %r", outcome, exc_info=outcome)
            await self._chores.round()
        await self._pool.close()
        await self.tasks.close()
        await self.store.close()

    async def _with_prompts(self, base: Snapshot) -> Snapshot:
        if not base.prompts and self._shelf is None:
            return base
        if self._shelf is None:
            shelf = import_module("modelwright.app.prompts.shelf")
            self._shelf = shelf.Shelf(shelf.prompt_registry(self.store.registry, self._clock))
        return await self._shelf.complete(base)

    def readings(self) -> Mapping[str, Reading]:
        progress = self._ingest.progress
        return {
            "modelwright_ledger_lines_total": lambda: progress.rows,
            "modelwright_feedback_total": lambda: progress.feedback,
            "modelwright_ledger_rejected_lines_total": lambda: progress.rejected,
            "modelwright_ledger_unresolved_total": lambda: progress.unresolved,
            "modelwright_ledger_behind": lambda: bool(self._chores.trouble),
            "modelwright_disk_bytes": lambda: shutil.disk_usage(self._state).total,
            "modelwright_disk_free_bytes": lambda: shutil.disk_usage(self._state).free,
            "modelwright_keys": lambda: self.publisher.count,
            "modelwright_restarts_total": lambda: _restarts(self._runtime),
            **self.tasks.readings(),
        }


def _restarts(runtime: Path) -> dict[tuple[str, ...], float]:
    """Of each part, as the supervisor has written them down."""
    try:
        status = msgspec.json.decode(Path(runtime, "status.json").read_bytes(), type=Status)
    except (OSError, msgspec.MsgspecError):
        return {}
    return {(part.name,): float(part.restarts) for part in status.parts if part.kind != "provider"}


def main() -> int:
    """Exit status of the process."""
    return start_worker(sys.argv, ControlWorker)


if __name__ == "__main__":
    sys.exit(main())
