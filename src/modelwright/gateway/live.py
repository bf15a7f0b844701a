"""The gateway as it stands now: the snapshot in force, its chain, and what the worker says of itself."""

from __future__ import annotations

from modelwright.core.contracts.events import BreakerChanged
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.errors.calls import ModelUnavailable
from modelwright.core.errors.starting import StartError
from modelwright.core.prompting.language import Compile
from modelwright.gateway.call import Handler
from modelwright.gateway.chain import Parts, build_chain
from modelwright.gateway.identity.keys import KeyTables, no_tables
from modelwright.gateway.identity.tokens import Tokens
from modelwright.gateway.lanes import Dialects, Replica, Replicas, Table
from modelwright.gateway.policies.authenticate import Authenticate, Renew
from modelwright.gateway.prompting.preamble import PromptBook
from modelwright.gateway.routing.breaker import State
from modelwright.gateway.routing.table import Resolve, build_table


class InForce:
    """One snapshot, made ready; calls that began under it end under it."""

    __slots__ = ("authenticate", "chain", "release", "table", "tasks")

    def __init__(self, table: Table, parts: Parts, *, tokens: Tokens | None, renew: Renew) -> None:
        self.table = table
        self.release = table.snapshot.release
        self.authenticate = Authenticate(
            table, pepper=parts.pepper, clock=parts.clock, source=parts.key_source, tokens=tokens, renew=renew
        )
        chains = build_chain(table, parts, authenticate=self.authenticate)
        self.chain: Handler = chains.clients
        self.tasks: Handler | None = chains.tasks
        """For calls of tasks, on the private socket alone."""


class Gateway:
    """Swaps snapshots; knows whether it is ready."""

    def __init__(
        self,
        parts: Parts,
        *,
        dialects: Dialects,
        resolve: Resolve,
        compile_prompt: Compile,
        key_tables: KeyTables = no_tables,
    ) -> None:
        self.parts = parts
        self.draining = False
        self.calls = 0
        self.errors = 0
        self.unpriced = 0
        self._replicas = Replicas(dialects, chance=parts.chance, tell=self._breaker_changed)
        self._resolve = resolve
        self._key_tables = key_tables
        self._prompts = PromptBook(compile_prompt)
        self._in_force: InForce | None = None
        self._tokens: Tokens | None = None

    def apply(self, snapshot: Snapshot) -> None:
        """Answer by this snapshot from now on; raises ModelwrightError and keeps the one before when it is unusable."""
        if snapshot.serial < self.serial:
            raise StartError(
                f"snapshot {snapshot.serial} is older than the one in force, {self.serial}",
                hint="wait for the next one",
            )
        table = build_table(
            snapshot,
            replicas=self._replicas,
            resolve=self._resolve,
            key_tables=self._key_tables,
            prompts=self._prompts,
        )
        self._tokens = self._tokens_of(snapshot)
        self._in_force = InForce(table, self.parts, tokens=self._tokens, renew=self._renew)

    @property
    def serial(self) -> int:
        """Of the snapshot in force; 0 before the first."""
        return self._in_force.table.snapshot.serial if self._in_force is not None else 0

    @property
    def ready(self) -> bool:
        """Whether new calls are welcome."""
        return self._in_force is not None and not self.draining

    def left_alone(self) -> dict[str, int]:
        """Providers with a breaker, and how many of their addresses are left alone."""
        return self._replicas.left_alone()

    @property
    def own_replicas(self) -> tuple[Replica, ...]:
        """Of our own models."""
        return self._in_force.table.replicas if self._in_force is not None else ()

    def in_force(self) -> InForce:
        """Raises ModelUnavailable before the first snapshot."""
        if self._in_force is None:
            raise ModelUnavailable(
                "the gateway waits for its first snapshot", hint="it is starting; try again", retry_after=1.0
            )
        return self._in_force

    def _tokens_of(self, snapshot: Snapshot) -> Tokens | None:
        """What is remembered of tokens stays as long as their issuers do."""
        if not snapshot.issuers:
            return None
        if self._tokens is not None and self._tokens.issuers == snapshot.issuers:
            return self._tokens
        return Tokens(snapshot.issuers, keyrings=self.parts.keyrings, clock=self.parts.clock)

    async def _renew(self, issuer: str) -> Authenticate:
        """Have an issuer's keys read again; who knows callers then."""
        await self.parts.renewal.ask(issuer)
        return self.in_force().authenticate

    def _breaker_changed(self, provider: str, address: str, state: State) -> None:
        self.parts.emit(BreakerChanged(at=self.parts.clock.now(), provider=provider, address=address, state=state))
