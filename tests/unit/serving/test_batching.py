"""The rules of batches: nothing lost, nothing twice, nothing overtaken, bounds kept, no small request split."""

from hypothesis import given
from hypothesis import strategies as st

from modelwright.serving.batching import BatchQueue, Limits, Slice, Ticket, halves

Sizes = list[tuple[int, str]]
requests = st.lists(st.tuples(st.integers(1, 20), st.sampled_from("ab")), max_size=30)


def queue_of(limits: Limits, sizes: Sizes) -> tuple[BatchQueue[Ticket], list[Ticket]]:
    queue: BatchQueue[Ticket] = BatchQueue(limits)
    tickets = [Ticket(rows=rows, nbytes=8 * rows, key=key) for rows, key in sizes]
    for ticket in tickets:
        if queue.fits(rows=ticket.rows, nbytes=ticket.nbytes):
            queue.add(ticket)
    return queue, [ticket for ticket in tickets if ticket.number]


def drained(queue: BatchQueue[Ticket]) -> list[list[Slice[Ticket]]]:
    return list(iter(queue.next_batch, []))


@given(requests, st.integers(1, 8))
def test_every_row_is_in_exactly_one_batch_and_in_order(sizes: Sizes, max_rows: int) -> None:
    queue, tickets = queue_of(Limits(max_rows=max_rows), sizes)
    pieces = [piece for batch in drained(queue) for piece in batch]
    for ticket in tickets:
        rows = [row for piece in pieces if piece.ticket is ticket for row in range(piece.start, piece.stop)]
        assert rows == list(range(ticket.rows))
    assert len({id(piece.ticket) for piece in pieces}) == len(tickets)


@given(requests, st.integers(1, 8))
def test_batch_is_of_one_kind_and_within_its_bound(sizes: Sizes, max_rows: int) -> None:
    queue, _ = queue_of(Limits(max_rows=max_rows), sizes)
    for batch in drained(queue):
        assert len({piece.ticket.key for piece in batch}) == 1
        assert 1 <= sum(piece.stop - piece.start for piece in batch) <= max_rows


@given(requests, st.integers(1, 8))
def test_nobody_is_overtaken_by_his_like_and_the_oldest_leads(sizes: Sizes, max_rows: int) -> None:
    queue, tickets = queue_of(Limits(max_rows=max_rows), sizes)
    waiting = list(tickets)
    while batch := queue.next_batch():
        assert batch[0].ticket is waiting[0]
        numbers = [piece.ticket.number for piece in batch]
        assert numbers == sorted(numbers)
        older = [ticket for ticket in waiting if ticket.key == batch[0].ticket.key and ticket.number < numbers[-1]]
        assert {ticket.number for ticket in older} <= set(numbers)
        waiting = [ticket for ticket in waiting if ticket.taken < ticket.rows]


@given(requests, st.integers(1, 8))
def test_request_that_fits_is_never_split(sizes: Sizes, max_rows: int) -> None:
    queue, _ = queue_of(Limits(max_rows=max_rows), sizes)
    for batch in drained(queue):
        assert all(piece.whole for piece in batch if piece.ticket.rows <= max_rows)


@given(requests, st.integers(1, 8), st.tuples(st.integers(1, 20), st.sampled_from("ab")), st.booleans())
def test_ripe_batch_cannot_grow(sizes: Sizes, max_rows: int, late: tuple[int, str], joins: bool) -> None:  # noqa: FBT001
    limits = Limits(max_rows=max_rows, queue_rows=10_000, joins=joins)
    now, later = queue_of(limits, sizes)[0], queue_of(limits, [*sizes, late])[0]
    if now.ripe():
        assert [(piece.ticket.number, piece.start, piece.stop) for piece in now.next_batch()] == [
            (piece.ticket.number, piece.start, piece.stop) for piece in later.next_batch()
        ]
    elif sizes:
        assert joins
        assert sum(piece.stop - piece.start for piece in now.next_batch()) < max_rows


@given(requests, st.integers(1, 8), st.integers(1, 20))
def test_a_batch_may_be_bounded_further_but_splits_no_request(sizes: Sizes, max_rows: int, most: int) -> None:
    queue, tickets = queue_of(Limits(max_rows=max_rows), sizes)
    seen: list[Slice[Ticket]] = []
    while True:
        ripe = queue.ripe(most)
        batch = queue.next_batch(most)
        if not batch:
            break
        size = sum(piece.stop - piece.start for piece in batch)
        assert size <= min(max_rows, max(most, batch[0].ticket.rows))
        assert all(piece.whole for piece in batch if piece.ticket.rows <= max_rows)
        if size >= min(most, max_rows):
            assert ripe
        seen += batch
    assert sum(piece.stop - piece.start for piece in seen) == sum(ticket.rows for ticket in tickets)


@given(requests)
def test_without_joining_a_batch_is_a_request(sizes: Sizes) -> None:
    queue, tickets = queue_of(Limits(max_rows=2, joins=False), sizes)
    batches = drained(queue)
    assert [len(batch) for batch in batches] == [1] * len(tickets)
    assert all(batch[0].whole for batch in batches)


@given(requests, st.integers(1, 40), st.integers(1, 400))
def test_bounds_of_the_queue_hold(sizes: Sizes, queue_rows: int, queue_bytes: int) -> None:
    queue: BatchQueue[Ticket] = BatchQueue(Limits(queue_rows=queue_rows, queue_bytes=queue_bytes))
    for rows, key in sizes:
        fits = queue.fits(rows=rows, nbytes=8 * rows)
        assert fits == (queue.rows + rows <= queue_rows and queue.nbytes + 8 * rows <= queue_bytes)
        if fits:
            queue.add(Ticket(rows=rows, nbytes=8 * rows, key=key))
        assert queue.rows <= queue_rows
        assert queue.nbytes <= queue_bytes
        assert queue.full == (queue.rows >= queue_rows)


@given(requests, st.integers(1, 8), st.data())
def test_who_leaves_is_computed_no_further(sizes: Sizes, max_rows: int, data: st.DataObject) -> None:
    queue, tickets = queue_of(Limits(max_rows=max_rows), sizes)
    gone: set[int] = set()

    def leave() -> None:
        waiting = list(queue)
        if waiting and data.draw(st.booleans()):
            ticket = data.draw(st.sampled_from(waiting))
            queue.leave(ticket)
            gone.add(ticket.number)

    leave()
    seen: dict[int, int] = {}
    while batch := queue.next_batch():
        assert not {piece.ticket.number for piece in batch} & gone
        for piece in batch:
            seen[piece.ticket.number] = piece.stop
        leave()
    assert {ticket.number for ticket in tickets if seen.get(ticket.number) == ticket.rows} | gone == {
        ticket.number for ticket in tickets
    }
    assert (queue.rows, queue.nbytes, list(queue)) == (0, 0, [])


def test_leaving_twice_or_after_the_last_row_changes_nothing() -> None:
    queue, (first, second) = queue_of(Limits(max_rows=4), [(3, "a"), (2, "a")])
    queue.next_batch()
    queue.leave(first)
    queue.leave(second)
    queue.leave(second)
    assert (queue.rows, queue.nbytes) == (0, 0)


def test_large_request_fills_the_room_that_is_left() -> None:
    queue, (small, large) = queue_of(Limits(max_rows=4), [(3, "a"), (6, "a")])
    assert drained(queue) == [
        [Slice(small, 0, 3), Slice(large, 0, 1)],
        [Slice(large, 1, 5)],
        [Slice(large, 5, 6)],
    ]


@given(st.lists(st.integers(), min_size=2))
def test_halves_are_both_smaller_and_together_the_whole(batch: list[int]) -> None:
    first, second = halves(batch)
    assert [*first, *second] == batch
    assert first
    assert second
