import asyncio
from typing import Any, cast

from modelwright.adapters.http.outbox import MOST, SMALL, Outbox


class Wire:
    """What a transport was given, and in which order among all."""

    order: list[bytes]

    def __init__(self, order: list[bytes]) -> None:
        self.order = order
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.order.append(data)

    def is_closing(self) -> bool:
        return self.closing


def wires(count: int) -> tuple[list[bytes], list[Any]]:
    order: list[bytes] = []
    return order, [cast("Any", Wire(order)) for _ in range(count)]


async def test_the_writes_of_one_turn_leave_together_in_their_order() -> None:
    order, (one, two) = wires(2)
    outbox = Outbox()
    outbox.write(one, b"a")
    outbox.write(two, b"b")
    outbox.write(one, b"c")
    assert order == []
    await asyncio.sleep(0)
    assert order == [b"a", b"b", b"c"]
    outbox.write(two, b"d")
    await asyncio.sleep(0)
    assert order == [b"a", b"b", b"c", b"d"]


async def test_many_do_not_wait_for_the_end_of_a_long_turn() -> None:
    order, (one,) = wires(1)
    outbox = Outbox()
    for number in range(MOST + 1):
        outbox.write(one, b"%d" % number)
    assert len(order) == MOST
    await asyncio.sleep(0)
    assert order == [b"%d" % number for number in range(MOST + 1)]


async def test_a_large_piece_leaves_at_once_after_those_before_it() -> None:
    order, (one, two) = wires(2)
    outbox = Outbox()
    outbox.write(one, b"small")
    outbox.write(two, b"x" * (SMALL + 1))
    assert order == [b"small", b"x" * (SMALL + 1)]
    await asyncio.sleep(0)
    assert len(order) == 2


async def test_what_is_closed_meanwhile_is_left_alone() -> None:
    order, (one, two) = wires(2)
    outbox = Outbox()
    outbox.write(one, b"a")
    outbox.write(two, b"b")
    one.closing = True
    outbox.flush()
    assert order == [b"b"]
