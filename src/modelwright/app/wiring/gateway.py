"""Puts a gateway worker's parts together: constructor calls only, no rule and no loop."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import secrets
from importlib.metadata import version as installed_version
from pathlib import Path

from prometheus_client import CollectorRegistry

from modelwright.adapters.http.pool import Pool
from modelwright.adapters.providers.table import dialect
from modelwright.adapters.stores.spool import SpoolLedger
from modelwright.app.issuers.library import keyring
from modelwright.app.keys.table import open_table
from modelwright.app.parts import PartSpec
from modelwright.app.prompts.language import compile_prompt
from modelwright.app.secret_stores.handing import Handed
from modelwright.app.settings.own_secrets import pepper
from modelwright.app.settings.settings import PEPPER_NAME, FreshSecrets
from modelwright.app.system import SystemClock, resident_mb
from modelwright.app.wiring.secrets import read_settings
from modelwright.app.workers.caches import Caches
from modelwright.app.workers.limiters import Limiters
from modelwright.app.workers.upstream_tls import upstream_tls
from modelwright.core.status import Busy
from modelwright.gateway.chain import Parts
from modelwright.gateway.http.door import Door
from modelwright.gateway.http.extensions.repository import RepositoryView
from modelwright.gateway.http.gate import Gate
from modelwright.gateway.http.runs import TaskRuns
from modelwright.gateway.http.tasks import Desk, TaskView
from modelwright.gateway.identity.renewal import Renewal
from modelwright.gateway.identity.source import KeySource
from modelwright.gateway.ids import CallIds
from modelwright.gateway.inflight import InFlight
from modelwright.gateway.live import Gateway
from modelwright.gateway.policies.mirror import Shadows
from modelwright.guards.guard import RuleGuard
from modelwright.observe.lines import EventLines, LineWriter
from modelwright.observe.listener import Listener
from modelwright.observe.logging import configure_logging
from modelwright.observe.metrics import CallMetrics, Reading

VERSION = installed_version("modelwright")


class GatewayParts:
    """Everything that one gateway worker process holds."""

    def __init__(self, spec: PartSpec) -> None:
        """Raises StartError when the pepper, the authorities' file or a file of settings cannot be used."""
        clock = SystemClock()
        state = Path(spec.state)
        self.handed = Handed(spec.secrets)
        settings = read_settings(spec, self.handed)
        self.writer = LineWriter()
        configure_logging(spec.name, write=self.writer.write, level=spec.log_level)
        self.key_source = KeySource(Path(spec.runtime), clock=clock)
        self.pool = Pool(tls=upstream_tls(settings, Path(spec.base)))
        self.ledger = SpoolLedger(state / "spool", part=spec.name, boot=secrets.token_hex(4))
        self.in_flight = InFlight(clock)
        ids = CallIds(clock, os.urandom)
        self.shadows = Shadows(clock, ids=ids)
        self.metrics = CallMetrics(version=VERSION, readings=self._readings())
        lines, write = EventLines(spec.name), self.writer.write
        self.listener = Listener(numbers=self.metrics.hear, lines=lambda events: write(lines.encode(events)))
        resolve = FreshSecrets(lambda: read_settings(spec, self.handed), first=settings).resolve
        self.caches = Caches(clock=clock, resolve=resolve)
        self.limiters = Limiters(clock=clock, resolve=resolve, place=f"{state.resolve()}/{spec.name}")
        self.gateway = Gateway(
            Parts(
                caches=self.caches.of,
                clock=clock,
                guards=RuleGuard,
                in_flight=self.in_flight,
                key_source=self.key_source,
                keyrings=keyring,
                ledger=self.ledger,
                limiters=self.limiters.of,
                pepper=pepper(state, configured=settings.secret(PEPPER_NAME)),
                renewal=Renewal(self.pool, str(Path(spec.runtime, "control.sock")), clock=clock),
                shadows=self.shadows,
                transport=self.pool,
                chance=random.random,
                sleep=asyncio.sleep,
                emit=self.listener.emit,
            ),
            dialects=dialect,
            key_tables=open_table,
            resolve=resolve,
            compile_prompt=compile_prompt,
        )
        self.registry = CollectorRegistry()
        self.registry.register(self.metrics)
        self.gate = Gate(clock.monotonic, ids=ids)
        control = str(Path(spec.runtime, "control.sock"))
        door = functools.partial(Door, self.gateway, clock=clock, ids=ids, emit=self.listener.emit, version=VERSION)
        tasks = TaskView(self.gateway, Desk(self.pool, control))
        self.door = door(tasks=tasks, repository=RepositoryView(self.gateway, self.pool, control))
        self.runs = TaskRuns(door(is_private=True))

    def busy(self) -> Busy:
        """The numbers of now."""
        return Busy(
            in_flight=len(self.in_flight),
            calls=self.gateway.calls,
            errors=self.gateway.errors,
            unpriced=self.gateway.unpriced,
            connections=self.pool.open_connections,
            snapshot=self.gateway.serial,
            left_alone=tuple(sorted(name for name, count in self.gateway.left_alone().items() if count)),
            memory_mb=resident_mb(),
        )

    def _readings(self) -> dict[str, Reading]:
        ledger, writer = self.ledger, self.writer
        return {
            "modelwright_in_flight": lambda: len(self.in_flight),
            "modelwright_turned_away_total": lambda: self.gate.turned_away,
            "modelwright_upstream_connections": lambda: self.pool.open_connections,
            "modelwright_snapshot_serial": lambda: self.gateway.serial,
            "modelwright_cache_entries": lambda: len(self.caches.memory),
            "modelwright_cache_bytes": lambda: self.caches.memory.held,
            "modelwright_cache_evicted_total": lambda: self.caches.memory.evicted,
            "modelwright_cache_away": lambda: self.caches.away,
            "modelwright_limits_away": lambda: self.limiters.away,
            "modelwright_breakers_open": lambda: {(name,): count for name, count in self.gateway.left_alone().items()},
            "modelwright_ledger_waiting": lambda: ledger.waiting,
            "modelwright_ledger_intent_failures_total": lambda: ledger.intent_failures,
            "modelwright_ledger_outcome_failures_total": lambda: ledger.outcome_failures,
            "modelwright_ledger_lost_total": lambda: ledger.lost,
            "modelwright_shadows_skipped_total": lambda: self.shadows.skipped,
            "modelwright_log_lines_dropped_total": lambda: writer.dropped + self.listener.dropped,
        }
