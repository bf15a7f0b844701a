"""Limits that many workers and hosts share, in Redis: one round trip to reserve, one that nobody waits for to settle.

What Redis holds is counts of the present windows and nothing else; a worker that dies gives its places back, since they
count only while its lease is renewed. While Redis is away, `Away` says what each use does.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from modelwright.adapters.limits.line import AwayError, Line
from modelwright.adapters.limits.memory import MemoryLimits
from modelwright.adapters.limits.scripts import ALL, FORGETFUL
from modelwright.core.errors.calls import LimitsUnavailable
from modelwright.core.limits import SLOTS, Ask, Calendar, Rule, Sliding, Spent, Standing, Used, Verdict, actual
from modelwright.core.ports.clock import Clock

LEASE = 3
"""Seconds after a worker's last sign of life after which its places are free."""
BEAT = 1.0
"""Seconds between two signs of life."""
REMEMBERED = 86_400_000
"""Milliseconds for which a call that is under way is remembered."""
FORBIDDEN = 60_000
"""Milliseconds for which a reservation that nobody waits for any more must not be made."""
_LASTS = 62 * 86_400_000
"""Milliseconds for which what the ledger says is kept: two months."""
_TOGETHER = 500
"""Balances that are restored in one step."""
_NAMES = 1 << 14
"""Keys that are kept so that they need not be made again."""


class Away(msgspec.Struct, frozen=True, kw_only=True):
    """What is done while Redis is away."""

    cost: str = "closed"
    """Limits of money: closed (no call) | open (no limit)."""
    rates: str = "share"
    """share: each worker grants its share of the limit; open: no limit; closed: no call."""
    workers: int = 1
    """Among whom a limit is shared."""
    after: float = 0.025
    """Seconds without an answer after which Redis counts as away."""


class RedisLimits:
    """One per worker process, made on its event loop; must be closed."""

    def __init__(self, url: str, *, site: str, place: str, clock: Clock, away: Away) -> None:
        """`site` is the same in all workers that share, `place` different in all that live; raises ValueError."""
        self._prefix = f"mw:{{{site}}}:"
        self._workers = f"{self._prefix}workers"
        self._known = f"{self._prefix}known"
        self.lost: Callable[[], object] | None = None
        """Called when Redis knows nothing of budgets: it is new, or has lost what it held."""
        self._place = f"{place}#"
        self._now = clock.now
        self._away = away
        self._local = MemoryLimits(clock.now, shares=away.workers)
        self._asks: dict[str, Sequence[Ask]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._line = Line(url, scripts=ALL, probe=f"{self._prefix}probe", patience=away.after)
        self._me = self._new_name()
        self._live(self._place)
        self._beats = asyncio.get_running_loop().create_task(self._beat())

    @property
    def up(self) -> bool:
        """Whether Redis answers, as far as is known."""
        return self._line.up

    def follow(self, away: Away) -> None:
        """What to do from now on while Redis is away."""
        if away != self._away:
            self._away, self._local = away, MemoryLimits(self._now, shares=away.workers)
            self._line.patience = away.after

    async def close(self) -> None:
        """The places of this worker are free."""
        self._beats.cancel()
        self._line.post(("leave", [self._workers], [self._me]))
        await self._line.close()

    async def reserve(self, call: str, asks: Sequence[Ask]) -> Verdict:
        try:
            reply = await self._asked(call, asks, me=self._me)
        except AwayError as error:
            if error.sent:
                self._give_back(call, asks, None)
            return self._without(call, asks)
        except asyncio.CancelledError:
            self._give_back(call, asks, None)
            raise
        verdict = _verdict(reply, asks)
        if verdict.refused is None:
            self._asks[call] = asks
        return verdict

    def restore(self, used: Sequence[Used]) -> None:
        who = secrets.token_hex(8)
        for number, at in enumerate(range(0, max(1, len(used)), _TOGETHER)):
            some = used[at : at + _TOGETHER]
            args: list[str | int] = [who, number, REMEMBERED]
            for one in some:
                args += (one.slot, one.amount, _LASTS)
            keys = [self._known, *(self._hashed(one.rule, one.subject) for one in some)]
            self._line.post(("restore", keys, args))

    def settle(self, call: str, spent: Spent | None) -> None:
        asks = self._asks.pop(call, None)
        if asks is not None:
            self._give_back(call, asks, spent)
        else:
            self._local.settle(call, spent)

    async def _asked(self, call: str, asks: Sequence[Ask], *, me: str) -> Sequence[Any]:
        """The script's reply; raises AwayError."""
        keys = [f"{self._prefix}call:{call}", self._workers, *(self._key(ask) for ask in asks)]
        args: list[str | int] = [me, REMEMBERED]
        for ask in asks:
            args += (_kind(ask.rule), ask.amount, ask.rule.amount, *self._window(ask.rule))
        reply: Sequence[Any] = await self._line.ask(("reserve", keys, args))
        if reply[0] == b"lapsed":  # this worker was held up for longer than its lease, or Redis has lost it
            if self._me == me:
                self._me = self._new_name()
                self._live()
            args[0] = self._me
            reply = await self._line.ask(("reserve", keys, args))
        if reply[0] not in {b"ok", b"over"}:
            raise AwayError(sent=True)
        return reply

    def _give_back(self, call: str, asks: Sequence[Ask], spent: Spent | None) -> None:
        """None: what was reserved is taken back, and what may still be on its way is forbidden."""
        args: list[str | int] = [FORBIDDEN if spent is None else ""]
        for ask in asks:
            window = ask.rule.window
            width = window.width if isinstance(window, Sliding) else 0
            args += (_kind(ask.rule), actual(ask, spent) - ask.amount, width, SLOTS)
        self._line.post(("settle", [f"{self._prefix}call:{call}", *(self._key(ask) for ask in asks)], args))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            me = self._me
            try:
                alive = await self._line.ask(("beat", [self._workers, self._known], [me, "", LEASE]))
            except AwayError:
                continue
            if alive == FORGETFUL and self.lost is not None:
                self.lost()
            if not alive and self._me == me:
                self._me = self._new_name()
                self._live()

    def _live(self, instead_of: str = "") -> None:
        """Sent before whatever is asked after it; of workers that had the place before, nothing counts any more."""
        asked = self._line.ask(("beat", [self._workers, self._known], [self._me, instead_of, LEASE]))
        asked.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _without(self, call: str, asks: Sequence[Ask]) -> Verdict:
        """The verdict while Redis is away."""
        rates = [ask for ask in asks if ask.rule.of != "cost"]
        if (len(rates) < len(asks) and self._away.cost == "closed") or (rates and self._away.rates == "closed"):
            what = "budgets" if len(rates) < len(asks) and self._away.cost == "closed" else "limits"
            raise LimitsUnavailable(
                f"{what} cannot be counted now", hint="send again after the time in Retry-After", retry_after=1.0
            )
        return self._local.reserve(call, rates) if self._away.rates == "share" else Verdict()

    def _window(self, rule: Rule) -> tuple[int, int, int, int]:
        """Three numbers for the script, and milliseconds that the key is kept."""
        window = rule.window
        if isinstance(window, Sliding):
            return window.width, SLOTS, 0, (SLOTS + 2) * window.width * 1000
        if isinstance(window, Calendar):
            window.at(self._now())
            return window.before, window.begins, window.ends, 2 * (window.ends - window.begins) * 1000
        return 0, 0, 0, REMEMBERED

    def _key(self, ask: Ask) -> str:
        """Hashed, so that Redis holds nobody's name or address."""
        known = self._names.get((ask.rule.name, ask.subject))
        if known is None:
            if len(self._names) >= _NAMES:
                self._names.clear()
            known = self._names[ask.rule.name, ask.subject] = self._hashed(ask.rule.name, ask.subject)
        return known

    def _hashed(self, rule: str, subject: str) -> str:
        text = f"{rule}\0{subject}".encode(errors="surrogatepass")
        return self._prefix + hashlib.blake2b(text, digest_size=16, person=b"mw-limits").hexdigest()

    def _new_name(self) -> str:
        return f"{self._place}{secrets.token_hex(4)}"


def _kind(rule: Rule) -> str:
    return "h" if rule.of == "concurrency" else "s" if rule.slides else "c"


def _verdict(reply: Sequence[Any], asks: Sequence[Ask]) -> Verdict:
    number, wait = int(reply[1]), float(reply[2])
    standings: list[Standing] = []
    for ask, used, reset in zip(asks, reply[3::2], reply[4::2], strict=True):
        if ask.rule.told:
            taken = 0 if number else ask.amount
            standings.append(Standing(ask.rule, max(0, ask.rule.amount - int(used) - taken), float(reset)))
    return Verdict(standings, asks[number - 1] if number else None, wait)
