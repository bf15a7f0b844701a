"""The rules of limits: windows of time, what was used in them, and what one call asks for and has used; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Limit, Limits
from modelwright.core.prices import PROMPT_BYTES, money, read_money

SLOTS = 20
"""Parts of a sliding window: what a call has used is free again at most one part later than the window is long."""
SECONDS = {"minute": 60, "hour": 3600}
"""The windows that slide, except for money; a day and a month are those of the calendar."""
LASTING = frozenset({"hour", "day", "month"})
"""Windows of which the ledger says what was used, once that was forgotten."""
FREE_AGAIN = 1.0
"""Seconds after which a place of a concurrency limit may be free: nobody knows."""


class Window(Protocol):
    """Where time is cut into slots; a slot counts from when it begins until it has left the window."""

    def at(self, now: float) -> tuple[int, int]:
        """(the slot of this moment, the oldest one that counts)."""
        ...

    def leaves(self, slot: int) -> float:
        """When a slot does not count any more; Unix seconds."""
        ...


class Sliding:
    """The last minute or hour: in no stretch of this length is more used than the limit."""

    __slots__ = ("width",)

    def __init__(self, seconds: int) -> None:
        self.width = seconds // SLOTS

    def at(self, now: float) -> tuple[int, int]:
        slot = int(now // self.width)
        return slot, slot - SLOTS

    def leaves(self, slot: int) -> float:
        return (slot + SLOTS + 1) * self.width


class Calendar:
    """A day or a month as the calendar of a time zone has it, or a whole minute or hour of the clock.

    A slot is named by the second at which it begins.
    """

    __slots__ = ("_zone", "before", "begins", "ends", "per")

    def __init__(self, per: str, zone: tzinfo) -> None:
        self.per = per
        self._zone = zone
        self.before = self.begins = self.ends = 0
        """Of the present window; `before` is when the one before it began."""

    def at(self, now: float) -> tuple[int, int]:
        if not self.begins <= now < self.ends:
            self._turn(now)
        return self.begins, self.begins

    def leaves(self, slot: int) -> float:
        return self.ends if slot == self.begins else slot

    def _turn(self, now: float) -> None:
        seconds = SECONDS.get(self.per)
        if seconds is not None:
            self.begins = int(now // seconds) * seconds
            self.before, self.ends = self.begins - seconds, self.begins + seconds
            return
        first = datetime.fromtimestamp(now, self._zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if self.per == "month":
            first = first.replace(day=1)
            after, before = (first + timedelta(days=32)).replace(day=1), (first - timedelta(days=1)).replace(day=1)
        else:
            after, before = first + timedelta(days=1), first - timedelta(days=1)
        self.before, self.begins, self.ends = (int(day.timestamp()) for day in (before, first, after))


class Held:
    """No window: what is held counts until it is given back."""

    __slots__ = ()

    def at(self, now: float) -> tuple[int, int]:
        return 0, 0

    def leaves(self, slot: int) -> float:
        return 0.0


class Rule:
    """One limit of the snapshot, ready to be asked; its name is the same in every process."""

    __slots__ = ("amount", "by", "currency", "lasts", "name", "of", "per", "slides", "told", "window")

    def __init__(self, limit: Limit, zone: tzinfo) -> None:
        self.by = limit.by
        self.of = limit.of
        self.per = limit.per
        self.amount = limit.amount
        self.currency = limit.currency
        self.name = f"{limit.by}.{limit.of}.{limit.per}{limit.currency}"
        self.window: Window = _window(limit, zone)
        self.slides = isinstance(self.window, Sliding)
        self.lasts = limit.per in LASTING
        """Long enough to outlive a restart: what the ledger says of it counts."""
        self.told = limit.of in {"requests", "tokens"}
        """Clients are told how it stands."""


class Rules(msgspec.Struct, frozen=True):
    """The limits of one kind of subject, such as tenants."""

    each: list[Rule]
    named: dict[str, list[Rule]]
    """All that hold for one subject, where it has some of its own."""


def rules_of(limits: Limits) -> dict[str, Rules]:
    """By the kind of subject; a limit of one subject replaces that for each of the same kind and window."""
    zone = zone_of(limits.time_zone)
    found: dict[str, Rules] = {}
    for limit in sorted(limits.each, key=lambda limit: bool(limit.whose)):
        rules, rule = found.setdefault(limit.by, Rules([], {})), Rule(limit, zone)
        if not limit.whose:
            rules.each.append(rule)
            continue
        known = rules.named.get(limit.whose, rules.each)
        rules.named[limit.whose] = [*(other for other in known if other.name != rule.name), rule]
    return found


class Ask(msgspec.Struct, frozen=True, gc=False):
    """What one call wants of one limit."""

    rule: Rule
    subject: str
    """Whose limit it is: a tenant, a key, an address, …"""
    amount: int


class Spent(msgspec.Struct, frozen=True):
    """What a call has used in the end; None is unknown, and what was reserved counts."""

    tokens: int | None = None
    uncounted: int = 0
    """Attempts whose tokens are not among them, since nobody knows them: of each, what was reserved counts."""
    costs: dict[str, int] | None = None
    """By currency; one that is not there was not spent."""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """How a limit stands after a call was admitted or refused."""

    rule: Rule
    remaining: int
    reset: float
    """Seconds until all of it is free, if nobody calls."""


class Verdict(msgspec.Struct, frozen=True):
    """Whether a call may go on."""

    standings: list[Standing] = []
    refused: Ask | None = None
    """The limit in the way, of several the one that is in the way longest; nothing of any was taken."""
    wait: float = 0.0
    """Seconds after which it may be admitted; 0 when it never will be, since it asks for more than the limit."""


class Used(msgspec.Struct, frozen=True):
    """What one subject has used of one limit in its present window, as the ledger says."""

    rule: str
    """Its name."""
    subject: str
    slot: int
    amount: int
    ends: float
    """Unix seconds."""


class Balance:
    """What one subject has used of one limit, by slot."""

    __slots__ = ("leaves", "oldest", "slots", "used")

    def __init__(self) -> None:
        self.slots: dict[int, int] = {}
        self.used = 0
        self.oldest = 0
        self.leaves = 0.0
        """When the newest slot will have left the window; Unix seconds."""

    def forget_before(self, oldest: int) -> None:
        """Slots that have left the window count no more."""
        self.oldest = oldest
        for slot in [slot for slot in self.slots if slot < oldest]:
            self.used -= self.slots.pop(slot)

    def add(self, slot: int, amount: int) -> None:
        """Use something; a negative amount gives back."""
        self.slots[slot] = self.slots.get(slot, 0) + amount
        self.used += amount

    def frees(self, amount: int, window: Window) -> float:
        """When this much will have left the window; Unix seconds."""
        freed = 0
        leaves = 0.0
        for slot in sorted(self.slots):
            freed += self.slots[slot]
            leaves = window.leaves(slot)
            if freed >= amount:
                break
        return leaves


def described(rule: Rule) -> str:
    """A limit in words: `600 requests per minute`."""
    if rule.of == "concurrency":
        return f"{rule.amount} calls at once"
    if rule.of == "cost":
        return f"{money(rule.amount)} {rule.currency} per {rule.per}"
    return f"{rule.amount} {rule.of} per {rule.per}"


def zone_of(name: str) -> tzinfo:
    """The time zone of this name; raises ValueError when there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name!r} is no time zone known here") from error


def actual(ask: Ask, spent: Spent | None) -> int:
    """What counts of a reservation once its call has ended; nothing when it was never made (`spent` is None)."""
    of = ask.rule.of
    if spent is None or of == "concurrency":
        return 0
    if of == "tokens" and spent.tokens is not None:
        return spent.tokens + spent.uncounted * ask.amount
    if of == "cost" and spent.costs is not None:
        return spent.costs.get(ask.rule.currency, 0)
    return ask.amount


def tokens_asked(prompt_bytes: int, *, answer: int, limit: int, stated: bool) -> int:
    """Tokens to reserve for a request: those of its prompt by its bytes, and those that its `answer` may have.

    Where nobody has `stated` how long the answer may be, it is never more than the whole `limit`.
    """
    prompt = -(-prompt_bytes // PROMPT_BYTES)
    return prompt + answer if stated else min(prompt + answer, max(prompt, limit))


def tokens_used(row: LedgerRow) -> int | None:
    """Tokens of an ended call; None when nobody knows them."""
    if not row.attempts:
        return 0
    if row.output_tokens is None and row.first_token_ms is not None:
        return None
    if row.input_tokens is None and row.output_tokens is None:
        return None if row.outcome in UNCOUNTED else 0
    return (row.input_tokens or 0) + (row.output_tokens or 0)


def tokens_of(rows: Sequence[LedgerRow]) -> tuple[int, int]:
    """(tokens of one call's rows as far as they are known, how many rows they are not known of)."""
    counts = [tokens_used(row) for row in rows]
    return sum(count or 0 for count in counts), counts.count(None)


def costs_of(rows: Sequence[LedgerRow]) -> dict[str, int]:
    """What the rows of one call cost, by currency; one whose cost is not known costs what it had reserved.

    What has no price has reserved nothing and counts as free: a manifest that does not want that refuses it before.
    """
    costs: dict[str, int] = {}
    for row in rows:
        cost = row.reserved if row.cost is None else row.cost
        if cost:
            costs[row.currency] = costs.get(row.currency, 0) + read_money(cost)
    return costs


UNCOUNTED = frozenset(
    {"ok", "guard_blocked", "client_disconnect", "provider_timeout", "upstream_stalled", "upstream_truncated"}
)
"""Outcomes of calls that the other side may have worked on without saying how much."""


def _window(limit: Limit, zone: tzinfo) -> Window:
    if limit.of == "concurrency":
        return Held()
    seconds = SECONDS.get(limit.per)
    return Calendar(limit.per, zone) if seconds is None or limit.of == "cost" else Sliding(seconds)
