"""Processors for processes that come and go."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.resources.cpus import choose_cpus, loads
from modelwright.core.resources.wants import Given, Holding, Wants

CPUS = (0, 1, 2, 3)
WANTED = st.integers(1, 40).map(lambda tenths: tenths / 10)
NUMBERS = st.lists(st.integers(0, 255), min_size=1, max_size=16, unique=True)


def hold(wanted: float, *cpus: int) -> Holding:
    return Holding(wants=Wants(cpu=wanted), given=Given(cpus=cpus))


@pytest.mark.parametrize(
    ("wanted", "held", "going", "found"),
    [
        (2, [], [], (0, 1)),
        (2, [hold(1, 0)], [], (1, 2)),
        (1, [hold(4, 0, 1, 2, 3), hold(1, 0)], [], (1,)),
        (0.5, [], [], (0,)),
        (0.5, [hold(0.5, 2)], [], (2,)),
        (0.6, [hold(0.5, 0)], [], (1,)),
        (1.5, [hold(0.5, 0)], [], (1, 0)),
        (1, [hold(0.5, 0)], [], (1,)),
        (2, [], [hold(2, 0, 1)], (2, 3)),
        (2, [hold(2, 2, 3)], [hold(2, 0, 1)], (0, 1)),
        (9, [], [], (0, 1, 2, 3)),
    ],
)
def test_the_least_taken_processors_are_given(
    wanted: float, held: list[Holding], going: list[Holding], found: tuple[int, ...]
) -> None:
    assert choose_cpus(wanted, CPUS, held=held, going=going) == found


def test_where_none_can_be_bound_none_is_given() -> None:
    assert choose_cpus(1.5, (), held=[]) == ()


@given(NUMBERS, st.lists(st.tuples(WANTED, st.integers(0, 3)), max_size=12))
def test_everyone_has_as_many_as_were_asked_for_and_only_real_ones(
    cpus: list[int], comings: list[tuple[float, int]]
) -> None:
    held: list[Holding] = []
    for wanted, leaver in comings:
        found = choose_cpus(wanted, cpus, held=held)
        assert found == choose_cpus(wanted, cpus, held=held), "the same again, for the same"
        assert set(found) <= {*cpus}
        assert len(found) == len(set(found)) == min(len(cpus), math.ceil(wanted))
        held.append(hold(wanted, *found))
        held = held[1:] if leaver == 0 else held


@given(NUMBERS, st.lists(st.integers(1, 4), max_size=12))
def test_whole_processors_are_shared_only_when_there_are_too_few(cpus: list[int], wanted: list[int]) -> None:
    held: list[Holding] = []
    for count in wanted:
        held.append(hold(count, *choose_cpus(count, cpus, held=held)))
    load = loads(held)
    if sum(wanted) <= len(cpus):
        assert all(part == 1 for part in load.values())
    if all(count == 1 for count in wanted):
        assert max(load.values(), default=0) - min((load.get(cpu, 0) for cpu in cpus), default=0) <= 1


@given(NUMBERS, st.lists(st.integers(1, 10), max_size=24))
def test_fractions_share_as_long_as_they_fit(cpus: list[int], tenths: list[int]) -> None:
    held: list[Holding] = []
    for part in tenths:
        (cpu,) = choose_cpus(part / 10, cpus, held=held)
        full = all(loads(held).get(other, 0) + part / 10 > 1 + 1e-6 for other in cpus)
        held.append(hold(part / 10, cpu))
        assert full or loads(held)[cpu] <= 1 + 1e-6
