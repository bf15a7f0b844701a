"""How many calls a turn takes: bursts pass, a flood is bounded, and a calm ends it."""

import math

from modelwright.gateway.pressure import CALM, GAP, LEAST, LONG, PATIENCE, Pressure


class Loop:
    """A loop at whose door so many calls wait each time that it looks, each of which takes so long."""

    def __init__(self, *, each: float) -> None:
        self.pressure = Pressure()
        self.now = 100.0
        self.works: list[float] = []
        self.taken: list[int] = []
        self._each = each

    def turns(self, calls: int, *, seconds: float, pause: float = 0.0) -> None:
        until = self.now + seconds
        while self.now < until:
            taken = int(min(calls, self.pressure.room))
            self.pressure.refused = self.pressure.refused or taken < calls
            began, self.now = self.now, self.now + taken * self._each
            self.pressure.turn(taken, began=began, ended=self.now)
            self.works.append(self.now - began)
            self.taken.append(taken)
            self.now += pause


def test_short_turns_take_all() -> None:
    loop = Loop(each=0.0001)
    loop.turns(150, seconds=10)
    assert loop.pressure.room == math.inf


def test_a_burst_passes_whole_however_often_it_comes() -> None:
    loop = Loop(each=0.0001)
    loop.turns(1000, seconds=20, pause=GAP + 0.1)
    assert set(loop.taken) == {1000}


def test_a_flood_is_bounded_after_a_moment_to_turns_of_the_length_wanted() -> None:
    loop = Loop(each=0.0001)
    loop.turns(1000, seconds=PATIENCE / 2)
    assert loop.pressure.room == math.inf
    loop.turns(1000, seconds=5)
    assert all(abs(work - LONG) < LONG / 10 for work in loop.works[-50:])
    assert loop.taken[-1] * loop._each < 1.1 * LONG


def test_turns_that_something_else_makes_long_take_a_few_all_the_same() -> None:
    loop = Loop(each=0.01)
    loop.turns(1000, seconds=30)
    assert loop.pressure.room == LEAST
    assert min(loop.taken) >= LEAST


def test_all_come_again_after_a_calm() -> None:
    loop = Loop(each=0.0001)
    loop.turns(1000, seconds=5)
    loop.turns(20, seconds=CALM / 2, pause=0.01)
    assert loop.pressure.room < math.inf
    loop.turns(20, seconds=CALM, pause=0.01)
    assert loop.pressure.room == math.inf
