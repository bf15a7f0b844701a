"""One batch on an engine: rows are joined and cut apart again, and a request that fails fails alone."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import EngineFailed, Overloaded
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import Array
from modelwright.serving.batching import Ticket
from modelwright.serving.execution import Execution, Outcome, Part
from tests.unit.serving.machines import POISON, GatedToy, LoneToy, NotedToy, loaded, rows


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> NotedToy:
    engine = NotedToy()
    loaded(engine, tmp_path_factory.mktemp("toy"))
    return engine


def part(*values: float, whole: bool = True) -> Part:
    tensors = rows(*values)
    ticket = Ticket(rows=tensors.rows, nbytes=tensors.nbytes)
    return Part(ticket, tensors.arrays, rows=tensors.rows, nbytes=tensors.nbytes, whole=whole)


def doubled(outcome: Outcome) -> list[float]:
    assert isinstance(outcome, dict)
    return outcome["y"][:, 0].tolist()


@given(st.lists(st.lists(st.sampled_from([1.0, 2.0, 3.0, POISON]), min_size=1, max_size=3), min_size=1, max_size=33))
def test_exactly_the_poisoned_requests_fail(toy: NotedToy, batch: list[list[float]]) -> None:
    executed = Execution(toy, ManualClock()).run([part(*values) for values in batch])
    assert len(executed.outcomes) == len(batch)
    for values, outcome in zip(batch, executed.outcomes, strict=True):
        if POISON in values:
            assert isinstance(outcome, EngineFailed)
        else:
            assert doubled(outcome) == [2 * value for value in values]
    poisoned = any(POISON in values for values in batch)
    assert bool(executed.problem) == poisoned
    assert (executed.runs > 1) == (poisoned and len(batch) > 1)


def test_one_poison_among_many_costs_few_runs(toy: NotedToy) -> None:
    executed = Execution(toy, ManualClock()).run([part(float(number)) for number in range(32)])
    assert executed.runs <= 1 + 2 * 5


def test_rows_come_back_to_their_requests(toy: NotedToy) -> None:
    toy.seen.clear()
    executed = Execution(toy, ManualClock()).run([part(1, 2), part(3), part(4, 5, 6, whole=False)])
    assert [doubled(outcome) for outcome in executed.outcomes] == [[2, 4], [6], [8, 10, 12]]
    assert toy.seen == [[1, 2, 3, 4, 5, 6]]
    assert (executed.runs, executed.problem, executed.uneven) == (1, "", False)


def test_the_engines_time_is_shared_by_rows_and_that_of_a_failed_run_is_nobodys(tmp_path: Path) -> None:
    clock = ManualClock()
    engine = GatedToy(clock)
    loaded(engine, tmp_path)
    batch = [part(1), part(2, 3, 4), part(POISON)]
    executed = Execution(engine, clock).run(batch)
    spent = [one.ticket.seconds for one in batch]
    assert spent == pytest.approx([0.01, 0.01, 0])  # each alone, after all three and the last two had failed
    assert executed.seconds == pytest.approx(executed.runs * 0.01)
    for one in (clean := [part(1), part(2, 3, 4)]):
        assert one.ticket.seconds == 0
    Execution(engine, clock).run(clean)
    assert [one.ticket.seconds for one in clean] == pytest.approx([0.0025, 0.0075])


def test_whole_request_alone_is_handed_over_as_it_is(toy: NotedToy) -> None:
    alone = part(1, 2)
    passed: list[Array] = []

    class Passing(NotedToy):
        def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            passed.append(inputs["x"])
            return toy.predict(inputs)

    Execution(Passing(), ManualClock()).run([alone])
    assert passed[0] is alone.inputs["x"]


def test_model_whose_rows_are_no_requests_is_noticed(tmp_path: Path) -> None:
    engine = LoneToy()
    loaded(engine, tmp_path)
    executed = Execution(engine, ManualClock()).run([part(1), part(2), part(3, 4)])
    assert executed.uneven
    assert [doubled(outcome) for outcome in executed.outcomes] == [[2], [4], [6]]


def test_piece_of_a_request_cannot_be_answered_by_such_a_model(tmp_path: Path) -> None:
    engine = LoneToy()
    loaded(engine, tmp_path)
    executed = Execution(engine, ManualClock()).run([part(1, 2, whole=False)])
    assert executed.uneven
    assert isinstance(executed.outcomes[0], EngineFailed)


def test_half_of_a_failed_batch_that_nobody_wants_by_then_is_skipped(tmp_path: Path) -> None:
    parts = [part(1), part(2), part(POISON), part(3)]

    class Leaving(NotedToy):
        def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            for item in parts[:2]:
                item.ticket.over = True
            return super().predict(inputs)

    engine = Leaving()
    loaded(engine, tmp_path)
    executed = Execution(engine, ManualClock()).run(parts)
    assert engine.seen == [[1, 2, POISON, 3], [POISON, 3], [POISON], [3]]
    assert doubled(executed.outcomes[3]) == [6]


def test_parts_that_nobody_wants_by_now_are_skipped(toy: NotedToy) -> None:
    clock = ManualClock()
    parts = [part(1), part(2), part(3), part(4, 5)]
    parts[0].ticket.over = True
    parts[2].ticket.deadline = 5.0
    clock.advance(5.0)
    toy.seen.clear()
    executed = Execution(toy, clock).run(parts)
    assert toy.seen == [[2, 4, 5]]
    assert (executed.rows, executed.skipped, executed.runs) == (3, 2, 1)
    assert [doubled(executed.outcomes[index]) for index in (1, 3)] == [[4], [8, 10]]
    assert isinstance(executed.outcomes[2], Overloaded)


def test_batch_that_nobody_wants_by_now_does_not_run(toy: NotedToy) -> None:
    parts = [part(1), part(2)]
    for item in parts:
        item.ticket.over = True
    toy.seen.clear()
    executed = Execution(toy, ManualClock()).run(parts)
    assert toy.seen == []
    assert (executed.rows, executed.skipped, executed.runs, executed.problem) == (0, 2, 0, "")


@pytest.mark.parametrize("error", [MemoryError("no room"), ValueError("odd"), AssertionError()])
def test_any_exception_of_an_engine_becomes_an_outcome(error: Exception) -> None:
    class Broken(NotedToy):
        def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            raise error

    executed = Execution(Broken(), ManualClock()).run([part(1), part(2)])
    for outcome in executed.outcomes:
        assert isinstance(outcome, EngineFailed)
        assert type(error).__name__ in outcome.message


def test_time_inside_the_engine_is_measured_over_all_runs() -> None:
    clock = ManualClock()

    class Slow(NotedToy):
        def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            clock.advance(2.0)
            if len(inputs["x"]) > 1:
                raise EngineFailed("too many")
            return {"y": inputs["x"]}

    executed = Execution(Slow(), clock).run([part(1), part(2)])
    assert (executed.runs, executed.seconds) == (3, 6.0)
    assert [np.asarray(outcome["y"]).shape for outcome in executed.outcomes if isinstance(outcome, dict)] == [
        (1, 2)
    ] * 2
