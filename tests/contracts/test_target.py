"""One suite for every target's journal and lease: nothing written is lost, and one owner at a time changes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwright.adapters.targets.folder.target import AskFolder
from modelwright.adapters.targets.kept import KeptJournal, KeptLeases
from modelwright.core.deploying.journal import Begun, Ended, Entry, Settled, Taken
from modelwright.core.deploying.steps import Bring, Plan
from modelwright.core.errors.deploying import LeaseHeld, LeaseLost
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.deploying.targets import Journal, Leases


class Books:
    """A journal and leases with a clock, as one who deploys has them; `another` has the same."""

    def __init__(self, journal: Journal, leases: Leases, clock: ManualClock) -> None:
        self.journal, self.leases, self.clock = journal, leases, clock


def folder(place: Path) -> Callable[[], Books]:
    clock = ManualClock()

    def books() -> Books:
        ask = AskFolder(place / "state", clock=clock)
        return Books(KeptJournal(ask), KeptLeases(ask), clock)

    return books


@pytest.fixture(params=[folder])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Books]:
    return request.param(tmp_path)


@pytest.fixture
def books(another: Callable[[], Books]) -> Books:
    return another()


def begun(epoch: int, release: str = "r1") -> Begun:
    plan = Plan(project="kb", environment="test", release=release, world="w", steps=(Bring(image="a"),))
    return Begun(at=1.0, epoch=epoch, plan=plan, who="ada", where="here")


def taken(epoch: int) -> Taken:
    return Taken(at=2.0, epoch=epoch, number=0)


async def test_before_the_first_plan_there_is_no_entry(books: Books) -> None:
    assert tuple(await books.journal.entries()) == ()


async def test_entries_are_there_for_everybody_in_order(books: Books, another: Callable[[], Books]) -> None:
    lease = await books.leases.take("ada")
    written: list[Entry] = [begun(lease.epoch), taken(lease.epoch), Settled(at=3.0, epoch=lease.epoch, number=0)]
    for entry in written:
        await books.journal.append(entry)
    assert list(await another().journal.entries()) == written


async def test_a_new_plan_begins_a_new_journal(books: Books) -> None:
    lease = await books.leases.take("ada")
    await books.journal.append(begun(lease.epoch))
    await books.journal.append(Ended(at=3.0, epoch=lease.epoch, outcome="deployed"))
    await books.journal.append(begun(lease.epoch, "r2"))
    assert list(await books.journal.entries()) == [begun(lease.epoch, "r2")]


async def test_while_a_lease_runs_nobody_else_gets_one(books: Books, another: Callable[[], Books]) -> None:
    lease = await books.leases.take("ada on desk")
    with pytest.raises(LeaseHeld, match="ada on desk") as held:
        await another().leases.take("bob")
    assert held.value.until == lease.until
    with pytest.raises(LeaseHeld):
        await books.leases.take("ada on desk")


async def test_a_lease_that_was_left_is_free(books: Books, another: Callable[[], Books]) -> None:
    lease = await books.leases.take("ada")
    await books.leases.leave(lease)
    other = await another().leases.take("bob")
    assert (other.owner, other.epoch) == ("bob", lease.epoch + 1)
    await books.leases.leave(lease)
    with pytest.raises(LeaseHeld, match="bob"):
        await books.leases.take("ada")


async def test_a_dead_owners_lease_runs_out_and_a_living_ones_is_renewed(
    books: Books, another: Callable[[], Books]
) -> None:
    lease = await books.leases.take("ada")
    for _ in range(3):
        books.clock.advance(lease.lasts / 2)
        lease = await books.leases.renew(lease)
    with pytest.raises(LeaseHeld):
        await another().leases.take("bob")
    books.clock.advance(lease.lasts)
    assert (await another().leases.take("bob")).epoch > lease.epoch


async def test_whoever_comes_back_too_late_writes_nothing(books: Books, another: Callable[[], Books]) -> None:
    late = await books.leases.take("ada")
    await books.journal.append(begun(late.epoch))
    books.clock.advance(late.lasts)
    other = another()
    now = await other.leases.take("bob")
    with pytest.raises(LeaseLost, match="bob"):
        await books.journal.append(taken(late.epoch))
    with pytest.raises(LeaseLost):
        await books.leases.renew(late)
    await books.leases.leave(late)
    await other.journal.append(taken(now.epoch))
    assert list(await books.journal.entries()) == [begun(late.epoch), taken(now.epoch)]


async def test_of_many_who_want_it_one_gets_it(another: Callable[[], Books]) -> None:
    found = await asyncio.gather(*(another().leases.take(f"{number}") for number in range(8)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in found) == 1
    assert sum(isinstance(one, LeaseHeld) for one in found) == 7
