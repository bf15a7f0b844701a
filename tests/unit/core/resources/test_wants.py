"""What is told of a process's part of the machine, and when it has taken too much of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.resources.bound import LOOK, PATIENCE, MemoryBound
from modelwright.core.resources.machine import Machine
from modelwright.core.resources.wants import Given, Wants, told_numbers


def test_people_are_told_what_a_process_has() -> None:
    assert Given().told == ""
    assert Given(cpus=(3,)).told == "CPU 3"
    given = Given(cpus=(0, 2, 1), memory=2 << 30, gpus=("GPU-0123-4567-89ab",))
    assert given.told == "CPUs 0-2, up to 2.0 GiB, GPU GPU-0123-456"
    assert told_numbers((7, 0, 1, 4, 5)) == "0-1, 4-5, 7"


@pytest.mark.parametrize(("cpu", "threads"), [(0, 0), (0.1, 1), (1, 1), (1.5, 2), (8, 8)])
def test_there_are_as_many_threads_as_processors(cpu: float, threads: int) -> None:
    assert Wants(cpu=cpu).threads == threads


@pytest.mark.parametrize(("cores", "threads"), [(0.5, 1), (2, 2), (3.9, 3)])
def test_a_machine_computes_with_as_many_threads_as_its_quota_lets_run(cores: float, threads: int) -> None:
    assert Machine(cores=cores).threads == threads


def test_who_holds_too_much_is_asked_to_end_once_and_killed_when_it_takes_too_long() -> None:
    bound = MemoryBound(100)
    assert [bound.looked(held, now=0) for held in (0, 100)] == ["", ""]
    assert bound.looked(101, now=10) == "end"
    assert bound.looked(99, now=11) == "", "it was told to end, and does"
    assert bound.looked(99, now=10 + PATIENCE) == "kill"


def test_who_holds_far_too_much_is_killed_at_once() -> None:
    assert MemoryBound(100).looked(126, now=0) == "kill"
    bound = MemoryBound(100)
    assert [bound.looked(held, now=0) for held in (125, 126)] == ["end", "kill"]


@given(st.integers(1, 1000), st.lists(st.integers(0, 2000), max_size=60))
def test_within_its_bound_nothing_happens_and_above_it_its_end_is_near(most: int, looks: list[int]) -> None:
    bound = MemoryBound(most)
    since = None
    for number, held in enumerate(looks):
        todo = bound.looked(held, now=number * LOOK)
        since = number if since is None and held > most else since
        if since is None:
            assert todo == ""
        elif number == since:
            assert todo in {"end", "kill"}
        else:
            assert (todo == "kill") == (held > 1.25 * most or (number - since) * LOOK >= PATIENCE)
