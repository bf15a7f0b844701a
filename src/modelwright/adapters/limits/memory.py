"""Limits of one process, in its memory; also each worker's share while a shared store is away."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from modelwright.core.limits import FREE_AGAIN, Ask, Balance, Rule, Spent, Standing, Used, Verdict, actual

KEPT = 1 << 19
"""Subjects whose balances are kept; past it those that came first are forgotten, users and addresses before others."""
SWEPT = 1 << 10
"""Balances at which those that hold nothing any more are looked for, and again at every doubling."""


class MemoryLimits:
    """Decides at once."""

    def __init__(self, now: Callable[[], float], *, shares: int = 1, kept: int = KEPT) -> None:
        """`now` tells Unix seconds; of every amount this keeper gives out one of so many `shares`, at least 1."""
        self._kept = kept
        self._now = now
        self._shares = shares
        self._balances: dict[tuple[str, str], Balance] = {}
        self._taken: dict[str, list[tuple[Ask, Balance, int]]] = {}
        self._sweep_at = SWEPT

    def __len__(self) -> int:
        return len(self._balances)

    def reserve(self, call: str, asks: Sequence[Ask]) -> Verdict:
        if len(self._balances) >= self._sweep_at:
            self._sweep()
        now = self._now()
        balances, shares = self._balances, self._shares
        taken: list[tuple[Ask, Balance, int]] = []
        refused: Ask | None = None
        wait = 0.0
        for ask in asks:
            rule = ask.rule
            slot, oldest = rule.window.at(now)
            balance = balances.get((rule.name, ask.subject))
            if balance is None:
                balance = balances[rule.name, ask.subject] = Balance()
            if balance.oldest != oldest:
                balance.forget_before(oldest)
            taken.append((ask, balance, slot))
            over = balance.used + ask.amount - (rule.amount if shares == 1 else self._amount(rule))
            if over > 0:
                pause = self._pause(ask, balance, over=over, now=now)
                if refused is None or not pause or 0 < wait < pause:
                    refused, wait = ask, pause
        if refused is not None:
            return Verdict(self._standings(taken, now), refused, wait)
        self._taken[call] = taken
        for ask, balance, slot in taken:
            slots = balance.slots
            if slot in slots:
                slots[slot] += ask.amount
            else:
                slots[slot] = ask.amount
                balance.leaves = ask.rule.window.leaves(slot)
            balance.used += ask.amount
        return Verdict(self._standings(taken, now))

    def restore(self, used: Sequence[Used]) -> None:
        known = frozenset(self._balances)
        for one in used:
            name = (one.rule, one.subject)
            if name not in known:
                balance = self._balances.setdefault(name, Balance())
                balance.add(one.slot, one.amount)
                balance.leaves = max(balance.leaves, one.ends)

    def settle(self, call: str, spent: Spent | None) -> None:
        taken = self._taken.pop(call, None)
        if taken is None:
            return
        for ask, balance, slot in taken:
            more = actual(ask, spent) - ask.amount
            if not more:
                continue
            if more > 0 and ask.rule.slides and slot < ask.rule.window.at(self._now())[1]:
                self._charge(ask, more)  # its slot has left the window: the rest counts from now on
            elif slot in balance.slots:
                balance.slots[slot] += more
                balance.used += more

    def _charge(self, ask: Ask, amount: int) -> None:
        window = ask.rule.window
        slot, _ = window.at(self._now())
        balance = self._balance(ask.rule, ask.subject)
        balance.slots[slot] = balance.slots.get(slot, 0) + amount
        balance.leaves = window.leaves(slot)
        balance.used += amount

    def _amount(self, rule: Rule) -> int:
        return rule.amount if self._shares == 1 else max(1, rule.amount // self._shares)

    def _pause(self, ask: Ask, balance: Balance, *, over: int, now: float) -> float:
        """Seconds until a refused call may be admitted; 0 when it never will be."""
        if ask.amount > self._amount(ask.rule):
            return 0.0
        if ask.rule.of == "concurrency":
            return FREE_AGAIN
        return max(0.001, balance.frees(over, ask.rule.window) - now)

    def _standings(self, taken: Sequence[tuple[Ask, Balance, int]], now: float) -> list[Standing]:
        found: list[Standing] = []
        for ask, balance, _ in taken:
            rule = ask.rule
            if rule.told:
                left = (rule.amount if self._shares == 1 else self._amount(rule)) - balance.used
                reset = balance.leaves - now
                found.append(Standing(rule, max(0, left), max(0.0, reset)))
        return found

    def _balance(self, rule: Rule, subject: str) -> Balance:
        found = self._balances.get((rule.name, subject))
        if found is not None:
            return found
        balance = self._balances[rule.name, subject] = Balance()
        return balance

    def _sweep(self) -> None:
        """Forget balances that hold nothing, or only what has left its window."""
        now = self._now()
        balances = self._balances
        for name in [name for name, balance in balances.items() if _is_idle(balance, now)]:
            del balances[name]
        if len(balances) >= self._kept:
            for name in sorted(balances, key=_lasting)[: len(balances) - self._kept * 7 // 8]:
                del balances[name]
        self._sweep_at = min(self._kept, max(SWEPT, 2 * len(balances)))


def _lasting(name: tuple[str, str]) -> bool:
    """Whether nobody can make up such subjects, so that those that somebody has made up go before it."""
    return not name[0].startswith(("user.", "address."))


def _is_idle(balance: Balance, now: float) -> bool:
    return balance.leaves <= now if balance.leaves else not balance.used
