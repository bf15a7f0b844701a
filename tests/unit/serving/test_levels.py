"""Requests that go before others: all that holds of batches holds, higher levels lead, none waits for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.serving.batching import Limits, Slice, Ticket
from modelwright.serving.levels import LevelQueue, Levels

Sizes = list[tuple[int, str, int]]
COUNT = 3
requests = st.lists(st.tuples(st.integers(1, 20), st.sampled_from("ab"), st.integers(1, COUNT)), max_size=30)


def queue(max_rows: int = 4, *, patience: int = 1000, **bounds: int) -> LevelQueue[Ticket]:
    rows = {int(level[1:]): most for level, most in bounds.items()}
    levels = Levels(count=COUNT, default=2, patience=patience, queue_rows=rows)
    return LevelQueue(Limits(max_rows=max_rows, queue_rows=1000), levels)


def ticket(rows: int, key: str = "a", level: int = 1) -> Ticket:
    return Ticket(rows=rows, nbytes=8 * rows, key=key, level=level)


def filled(sizes: Sizes, max_rows: int, patience: int = 1000) -> tuple[LevelQueue[Ticket], list[Ticket]]:
    made = queue(max_rows, patience=patience)
    tickets = [ticket(rows, key, level) for rows, key, level in sizes]
    for one in tickets:
        made.add(one)
    return made, tickets


def rows_of(batch: list[Slice[Ticket]]) -> int:
    return sum(piece.stop - piece.start for piece in batch)


@given(requests, st.integers(1, 8), st.integers(1, 5))
def test_every_row_is_in_exactly_one_batch_of_one_kind_and_size(sizes: Sizes, max_rows: int, patience: int) -> None:
    made, tickets = filled(sizes, max_rows, patience)
    seen: dict[int, list[int]] = {}
    while batch := made.next_batch():
        assert len({piece.ticket.alike for piece in batch}) == 1
        assert 1 <= rows_of(batch) <= max_rows
        for piece in batch:
            seen.setdefault(id(piece.ticket), []).extend(range(piece.start, piece.stop))
            assert piece.whole or piece.ticket.rows > max_rows
    assert all(seen[id(one)] == list(range(one.rows)) for one in tickets)
    assert (made.rows, made.nbytes, list(made)) == (0, 0, [])


@given(requests, st.integers(1, 8))
def test_the_highest_level_that_waits_leads_and_its_oldest_first(sizes: Sizes, max_rows: int) -> None:
    made, tickets = filled(sizes, max_rows)
    waiting = list(tickets)
    while batch := made.next_batch():
        best = min(waiting, key=lambda one: (one.level, one.number))
        assert batch[0].ticket is best
        waiting = [one for one in waiting if one.taken < one.rows]


@given(requests, st.integers(1, 8), st.integers(1, 5), st.lists(st.integers(1, COUNT - 1), min_size=1, max_size=4))
def test_no_level_waits_for_ever(sizes: Sizes, max_rows: int, patience: int, flood: list[int]) -> None:
    made, _ = filled(sizes, max_rows, patience)
    low = ticket(1, "c", COUNT)
    made.add(low)
    older = sum(-(-rows // max_rows) for rows, _, level in sizes if level == COUNT)
    for _ in range((older + 1) * (patience + COUNT) + 1):
        for level in flood:
            made.add(ticket(max_rows, "a", level))
        if any(piece.ticket is low for piece in made.next_batch()):
            break
    assert low.taken == 1


@given(requests, st.integers(1, 8), st.data())
def test_who_leaves_is_counted_out(sizes: Sizes, max_rows: int, data: st.DataObject) -> None:
    made, tickets = filled(sizes, max_rows, 2)
    for one in tickets:
        if data.draw(st.booleans()):
            made.next_batch()
        if data.draw(st.booleans()):
            made.leave(one)
            made.leave(one)
    assert made.rows == sum(one.rows - one.taken for one in tickets if one.waiting)
    while made.next_batch():
        pass
    assert (made.rows, made.nbytes, list(made)) == (0, 0, [])


def test_room_that_is_left_is_for_lower_levels() -> None:
    made = queue(8)
    low, other, high = ticket(3, level=3), ticket(2, "b", 2), ticket(4, level=1)
    for one in (low, other, high):
        made.add(one)
    assert made.next_batch() == [Slice(high, 0, 4), Slice(low, 0, 3)]
    assert made.next_batch() == [Slice(other, 0, 2)]


def test_a_bound_of_a_level_is_its_own() -> None:
    made = queue(l3=5)
    made.add(ticket(5, level=3))
    assert not made.fits(rows=1, nbytes=8, level=3)
    assert made.fits(rows=1, nbytes=8, level=2)
    made.next_batch()
    assert made.fits(rows=4, nbytes=8, level=3)
    assert not made.fits(rows=5, nbytes=8, level=3)


@pytest.mark.parametrize(("priority", "level"), [(0, 2), (1, 1), (3, 3), (4, 2), (1 << 64, 2)])
def test_priority_that_is_none_means_the_default(priority: int, level: int) -> None:
    assert queue().levels.of(priority) == level


def test_without_joining_a_batch_is_a_request_and_levels_hold() -> None:
    levels = Levels(count=2, default=2)
    made: LevelQueue[Ticket] = LevelQueue(Limits(max_rows=4, joins=False), levels)
    low, high = ticket(1, level=2), ticket(1, level=1)
    made.add(low)
    made.add(high)
    assert [made.next_batch(), made.next_batch()] == [[Slice(high, 0, 1)], [Slice(low, 0, 1)]]
