"""Limits in memory: never over, exact whatever happens to the calls, and bounded."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modelwright.adapters.limits.memory import SWEPT, MemoryLimits
from modelwright.core.limits import Ask, Rule, Spent, actual
from modelwright.core.ports.clock import ManualClock
from tests.unit.adapters.limits.asking import ask
from tests.unit.adapters.limits.asking import rule as made

RULES = (
    made("requests", 5, "minute"),
    made("tokens", 40, "minute"),
    made("tokens", 200, "day", "tenant"),
    made("concurrency", 3),
    made("requests", 9, "hour", "address"),
)


class Calls(RuleBasedStateMachine):
    """Calls come, end and are forgotten in any order; a plain list of what was admitted is the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.limits = MemoryLimits(self.clock.now)
        self.open: dict[str, list[Ask]] = {}
        self.entries: list[tuple[Rule, str, str, float, int]] = []
        """(limit, subject, call, when, how much), as it counts now."""
        self.number = 0

    @rule(
        subjects=st.lists(st.sampled_from("ab"), min_size=len(RULES), max_size=len(RULES)),
        tokens=st.integers(0, 60),
        chosen=st.sets(st.integers(0, len(RULES) - 1), min_size=1),
    )
    def call(self, subjects: list[str], tokens: int, chosen: set[int]) -> None:
        self.number += 1
        name = f"call-{self.number}"
        asks = [
            Ask(RULES[index], subjects[index], tokens if RULES[index].of == "tokens" else 1) for index in sorted(chosen)
        ]
        verdict = self.limits.reserve(name, asks)
        over = [one for one in asks if self.used(one.rule, one.subject) + one.amount > one.rule.amount]
        assert (verdict.refused is not None) == bool(over)
        if over:
            assert verdict.refused in over
            return
        self.open[name] = asks
        self.entries += [(one.rule, one.subject, name, self.clock.now(), one.amount) for one in asks]

    @precondition(lambda self: self.open)
    @rule(data=st.data(), tokens=st.none() | st.integers(0, 60), happened=st.booleans())
    def end(self, data: st.DataObject, tokens: int | None, *, happened: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.open)))
        asks = self.open.pop(name)
        spent = Spent(tokens=tokens) if happened else None
        for one in asks:
            index = next(i for i, entry in enumerate(self.entries) if entry[0] is one.rule and entry[2] == name)
            limit, subject, _, when, amount = self.entries[index]
            used = actual(one, spent)
            if self.counts(limit, when):
                self.entries[index] = (limit, subject, name, when, used)
            elif used > amount and limit.slides:
                self.entries.append((limit, subject, name, self.clock.now(), used - amount))
        for _ in range(2):  # once per call, whatever is repeated
            self.limits.settle(name, spent)

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0, 61.0, 200.0, 3700.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def what_is_held_is_what_is_open(self) -> None:
        for subject in "ab":
            held = sum(one.rule is RULES[3] and one.subject == subject for asks in self.open.values() for one in asks)
            assert self.used(RULES[3], subject) == held <= 3

    def counts(self, limit: Rule, when: float) -> bool:
        return limit.window.at(when)[0] >= limit.window.at(self.clock.now())[1]

    def used(self, limit: Rule, subject: str) -> int:
        return sum(
            amount for known, whose, _, when, amount in self.entries
            if known is limit and whose == subject and self.counts(limit, when)
        )  # fmt: skip


TestCalls = Calls.TestCase


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_in_no_stretch_of_a_minute_is_more_admitted_than_the_limit(clock: ManualClock) -> None:
    limits = MemoryLimits(clock.now)
    admitted: list[float] = []
    for number in range(4000):
        if limits.reserve(f"{number}", [ask("requests", 1, limit=7, per="minute")]).refused is None:
            admitted.append(clock.now())
        clock.advance(0.1)
    assert all(later - earlier > 60 for earlier, later in zip(admitted, admitted[7:], strict=False))
    assert len(admitted) >= 7 * 6


def test_a_refusal_says_when_it_would_be_admitted(clock: ManualClock) -> None:
    limits = MemoryLimits(clock.now)
    many = [ask("tokens", 60, limit=100, per="minute"), ask("requests", 1, limit=1, per="hour", by="tenant")]
    assert limits.reserve("1", many).refused is None
    refused = limits.reserve("2", many)
    assert refused.refused == many[1]
    clock.advance(refused.wait - 0.01)
    assert limits.reserve("3", many).refused == many[1]
    clock.advance(0.02)
    assert limits.reserve("4", many).refused is None


def test_what_never_fits_is_refused_without_a_time(clock: ManualClock) -> None:
    limits = MemoryLimits(clock.now)
    huge = ask("tokens", 101, limit=100, per="minute")
    assert limits.reserve("1", [huge, ask("requests", 1, limit=1, per="minute")]).wait == 0
    assert limits.reserve("2", [ask("requests", 1, limit=1, per="minute")]).refused is None


def test_a_share_is_the_limit_divided(clock: ManualClock) -> None:
    limits = MemoryLimits(clock.now, shares=4)
    admitted = [limits.reserve(f"{n}", [ask("requests", 1, limit=10, per="minute")]).refused is None for n in range(9)]
    assert sum(admitted) == 2
    assert limits.reserve("one", [ask("concurrency", 1, limit=3)]).refused is None


def test_subjects_that_are_idle_are_forgotten_and_their_number_is_bounded(clock: ManualClock) -> None:
    kept = 4 * SWEPT
    limits = MemoryLimits(clock.now, kept=kept)
    for number in range(3 * SWEPT):
        call = f"{number}"
        limits.reserve(call, [ask("requests", 1, limit=10, per="minute", subject=call)])
        limits.settle(call, Spent())
        clock.advance(1)
    assert len(limits) <= 2 * SWEPT
    for number in range(3 * kept):
        limits.reserve(f"held {number}", [ask("concurrency", 1, limit=1, subject=f"{number}")])
    assert len(limits) <= kept


@pytest.mark.parametrize("by", ["user", "address"])
def test_whoever_makes_up_subjects_makes_nobody_forget_a_budget(clock: ManualClock, by: str) -> None:
    limits = MemoryLimits(clock.now, kept=SWEPT)
    budget = ask("cost", 6, limit=10, per="day", by="tenant")
    assert limits.reserve("first", [budget]).refused is None
    for number in range(2 * SWEPT):
        limits.reserve(f"{number}", [ask("requests", 1, limit=1, per="day", subject=f"{number}", by=by)])
    assert limits.reserve("second", [budget]).refused is not None
    assert len(limits) <= SWEPT
