"""Keeps the keys of the manifest's issuers: read again and again, kept while an issuer is away, and over a restart."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from modelwright.app.issuers.discover import JsonWebKey, read_keys
from modelwright.app.whole_file import write_whole
from modelwright.core.contracts.snapshot import Issuer
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.http import Transport

EVERY = 300.0
"""Seconds between two readings."""
AGAIN = 2.0
"""Seconds after which an issuer that could not be asked is asked again."""
GAP = 2.0
"""Seconds between two readings that somebody asks for, since anybody can send a token of an unknown key."""
TICK = 0.5
"""Seconds between two looks at what is due."""

Told = Callable[[], Awaitable[object]]
"""Writes the snapshot and lets the gateways take it."""

log = logging.getLogger("modelwright.control")


async def _nobody() -> None:
    """Nobody is there to be told."""


class IssuerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """An issuer as the operator may see it."""

    name: str
    issuer: str
    keys: list[str]
    """Ids of its public keys."""
    problem: str
    """Why they could not be read when that was tried last; those read before are in use."""


class IssuerWatch:
    """All issuers of one installation."""

    def __init__(self, state: Path, transport: Transport, *, clock: Clock, tick: float = TICK) -> None:
        """`state` is the directory that keeps the keys over a restart, `tick` the seconds between two looks."""
        self._tick = tick
        self.told: Told = _nobody
        """Set by whoever knows the gateways."""
        self._path = state / "issuers.json"
        self._transport = transport
        self._now = clock.monotonic
        self._keys: dict[str, tuple[JsonWebKey, ...]] = _kept(self._path)
        """By the issuer's URL."""
        self._problems: dict[str, str] = {}
        self._read_at: dict[str, float] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._issuers: dict[str, Issuer] = {}
        self._enough = asyncio.Event()

    def filled(self, issuers: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        """The manifest's issuers with their keys, for the snapshot."""
        self._issuers = {each.name: each for each in issuers}
        return tuple(
            msgspec.structs.replace(
                each, keys=self._keys.get(each.issuer, ()), problem=self._problems.get(each.issuer, "")
            )
            for each in issuers
        )

    async def run(self) -> None:
        """Read what is due, until `finish`."""
        while not self._enough.is_set():
            try:
                await self._round()
            except Exception:
                log.exception("the keys of issuers cannot be kept now; it is tried again")
            try:
                await asyncio.wait_for(self._enough.wait(), self._tick)
            except TimeoutError:
                continue

    def latest(self) -> tuple[Issuer, ...]:
        """The issuers with their keys."""
        return self.filled(tuple(self._issuers.values()))

    def listed(self) -> list[IssuerFacts]:
        """What is known of each."""
        return [
            IssuerFacts(
                name=each.name,
                issuer=each.issuer,
                keys=[key.get("kid", "") for key in self._keys.get(each.issuer, ())],
                problem=self._problems.get(each.issuer, ""),
            )
            for each in self._issuers.values()
        ]

    def finish(self) -> None:
        """`run` ends after the present round."""
        self._enough.set()

    async def read(self, name: str) -> bool:
        """Read an issuer's keys now, unless that was just done; whether there is an issuer of that name."""
        issuer = self._issuers.get(name)
        if issuer is None:
            return False
        async with self._turns.setdefault(name, asyncio.Lock()):
            if self._now() >= self._read_at.get(issuer.issuer, -GAP) + GAP and await self._read(issuer):
                await self._tell()
        return True

    async def _round(self) -> None:
        due = [issuer for issuer in self._issuers.values() if self._now() >= self._due(issuer)]
        if any(await asyncio.gather(*(self._read(issuer) for issuer in due))):
            await self._tell()

    def _due(self, issuer: Issuer) -> float:
        last = self._read_at.get(issuer.issuer)
        if last is None:
            return -math.inf
        return last + (AGAIN if self._problems.get(issuer.issuer) else EVERY)

    async def _read(self, issuer: Issuer) -> bool:
        """Whether keys or problem are others than before."""
        url = issuer.issuer
        self._read_at[url] = self._now()
        before = (self._keys.get(url), self._problems.get(url, ""))
        try:
            self._keys[url] = await read_keys(self._transport, url)
            self._problems.pop(url, None)
        except CallError as error:
            self._problems[url] = f"{error.place}: {error.message}" if error.place else error.message
        except Exception as error:
            log.exception("the keys of issuer %s cannot be read, by a mistake of ours", issuer.name)
            self._problems[url] = repr(error)
        now = (self._keys.get(url), self._problems.get(url, ""))
        if now == before:
            return False
        if now[1]:
            kept = "those read before stay" if now[0] else "its tokens cannot be accepted"
            log.warning("the keys of issuer %s cannot be read, %s: %s", issuer.name, kept, now[1])
        else:
            log.info("issuer %s publishes %d keys", issuer.name, len(now[0] or ()))
            self._keep()
        return True

    def _keep(self) -> None:
        named = {issuer.issuer for issuer in self._issuers.values()}
        content = msgspec.json.encode({url: keys for url, keys in self._keys.items() if url in named})
        try:
            write_whole(self._path, content)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error)

    async def _tell(self) -> None:
        try:
            await self.told()
        except (ModelwrightError, OSError) as error:
            log.warning("the new keys of issuers are not in the snapshot yet: %s", error)
        except Exception:
            log.exception("the new keys of issuers are not in the snapshot yet")


def _kept(path: Path) -> dict[str, tuple[JsonWebKey, ...]]:
    """What an earlier run has read; public keys only, in a file of this user alone."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[JsonWebKey, ...]])
    except (OSError, msgspec.MsgspecError):
        return {}
