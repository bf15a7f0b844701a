"""GPUs for processes that come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.resources.gpus import choose_gpus, free_memory, untouched
from modelwright.core.resources.machine import Gpu
from modelwright.core.resources.wants import Given, Holding, Wants

GPUS = tuple(Gpu(id=name, memory=size) for name, size in (("a", 80), ("b", 80), ("c", 40)))


def whole(*names: str) -> Holding:
    return Holding(wants=Wants(gpus=len(names)), given=Given(gpus=names))


def part(size: int, name: str) -> Holding:
    return Holding(wants=Wants(gpu_memory=size), given=Given(gpus=(name,)))


@pytest.mark.parametrize(
    ("wants", "held", "found"),
    [
        (Wants(gpus=1), [], ("a",)),
        (Wants(gpus=2), [whole("b")], ("a", "c")),
        (Wants(gpus=2), [whole("b"), part(1, "c")], None),
        (Wants(gpus=4), [], None),
        (Wants(gpu_memory=30), [], ("c",)),
        (Wants(gpu_memory=50), [], ("a",)),
        (Wants(gpu_memory=30), [part(20, "a"), whole("c")], ("a",)),
        (Wants(gpu_memory=30), [part(60, "a"), part(20, "c")], ("b",)),
        (Wants(gpu_memory=81), [], None),
        (Wants(gpu_memory=30), [whole("a", "b", "c")], None),
    ],
)
def test_whole_ones_are_nobody_elses_and_parts_go_where_little_stays_free(
    wants: Wants, held: list[Holding], found: tuple[str, ...] | None
) -> None:
    assert choose_gpus(wants, GPUS, held=held) == found


def test_a_gpu_of_unknown_memory_is_given_as_a_whole_alone() -> None:
    unknown = (Gpu(id="0"),)
    assert choose_gpus(Wants(gpus=1), unknown, held=[]) == ("0",)
    assert choose_gpus(Wants(gpu_memory=1), unknown, held=[]) is None


WANTS = st.one_of(
    st.integers(1, 4).map(lambda count: Wants(gpus=count)), st.integers(1, 90).map(lambda size: Wants(gpu_memory=size))
)


@given(st.lists(st.integers(0, 80), max_size=6), st.lists(st.tuples(WANTS, st.booleans()), max_size=16))
def test_nothing_is_given_twice_and_what_is_there_is_given(sizes: list[int], comings: list[tuple[Wants, bool]]) -> None:
    gpus = tuple(Gpu(id=str(number), memory=size) for number, size in enumerate(sizes))
    held: list[Holding] = []
    for wants, leaves in comings:
        free = untouched(gpus, held)
        room = max((free_memory(gpu, held) for gpu in gpus), default=0)
        found = choose_gpus(wants, gpus, held=held)
        assert (found is None) == (len(free) < wants.gpus if wants.gpus else room < wants.gpu_memory)
        if found is not None:
            assert len(found) == len(set(found)) == (wants.gpus or 1)
            held.append(Holding(wants=wants, given=Given(gpus=found)))
        for gpu in gpus:
            here = [holding.wants for holding in held if gpu.id in holding.given.gpus]
            assert sum(one.gpu_memory for one in here) <= gpu.memory
            assert len(here) <= 1 or not any(one.gpus for one in here)
        held = held[1:] if leaves else held
