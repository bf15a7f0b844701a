from __future__ import annotations

import math
import random
from array import array

from hypothesis import given
from hypothesis import strategies as st

from modelwright.gateway.cache.nearest import EACH, OVERHEAD, Nearest, cosine, unit

SIZE = 64


def at(numbers: list[float]) -> array[float]:
    found = unit(numbers)
    assert found is not None
    return found


def drawn(seed: int) -> list[float]:
    die = random.Random(seed)
    return [die.gauss(0, 1) for _ in range(SIZE)]


def near(vector: list[float], distance: float, seed: int) -> array[float]:
    return at([one + distance * other for one, other in zip(vector, drawn(seed), strict=True)])


@given(st.lists(st.floats(-1e6, 1e6), max_size=8))
def test_a_unit_vector_has_length_one(numbers: list[float]) -> None:
    found = unit(numbers)
    assert found is None or math.isclose(cosine(found, found), 1.0, rel_tol=1e-5)
    assert unit([0.0, 0.0]) is None
    assert unit([math.inf]) is None


def test_among_many_the_near_one_is_found() -> None:
    points = Nearest(limit=1 << 30)
    vectors = [drawn(seed) for seed in range(500)]
    for seed, vector in enumerate(vectors):
        points.add(b"p", at(vector), seed.to_bytes(2, "big"))
    for seed, vector in enumerate(vectors):
        found = points.find(b"p", near(vector, 0.2, 10_000 + seed), least=0.9)
        assert found is not None
        assert found[1] == seed.to_bytes(2, "big")
        assert 0.9 <= found[0] < 1
    assert sum(points.find(b"p", at(drawn(seed)), least=0.9) is not None for seed in range(20_000, 20_300)) == 0


def test_no_partition_sees_another_one_and_no_model_another_ones_vectors() -> None:
    points = Nearest(limit=1 << 20)
    points.add(b"mine", at([1.0, 0.0]), b"v")
    assert points.find(b"theirs", at([1.0, 0.0]), least=0.5) is None
    assert points.find(b"mine", at([1.0, 0.0, 0.0]), least=0.5) is None
    assert points.find(b"mine", at([1.0, 0.0]), least=0.5) == (1.0, b"v")
    points.forget(b"mine", b"v")
    points.forget(b"nobody", b"v")
    assert points.find(b"mine", at([1.0, 0.0]), least=0.5) is None
    assert points.held == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=60), st.integers(0, 4000))
def test_it_holds_no_more_than_it_may(adds: list[tuple[int, int]], limit: int) -> None:
    points = Nearest(limit=limit)
    for partition, value in adds:
        points.add(bytes([partition]), at([1.0, float(value)]), bytes([value]))
        each = [len(one) for one in points._partitions.values()]
        assert points.held == sum(each) * (8 + OVERHEAD) <= limit


def test_a_partition_forgets_its_oldest() -> None:
    points = Nearest(limit=1 << 30)
    for number in range(EACH + 1):
        points.add(b"p", at([1.0, float(number)]), number.to_bytes(2, "big"))
    assert len(points._partitions[b"p"]) == EACH
    assert b"\0\0" not in points._partitions[b"p"]
