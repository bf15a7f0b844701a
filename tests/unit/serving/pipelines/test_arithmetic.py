"""Pooling, normalising, activation and labels, beside the same by plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from modelwright.serving.pipelines.arithmetic import Activate, Label, Normalize, Pool

numbers = st.floats(-1e3, 1e3, width=32)
hidden = npst.arrays(np.float32, npst.array_shapes(min_dims=3, max_dims=3, max_side=5), elements=numbers)
scores = npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=numbers)


@given(hidden, st.data())
@pytest.mark.parametrize("how", ["mean", "max", "cls"])
def test_pool_looks_at_what_the_mask_leaves(how: str, vectors: np.ndarray, data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, vectors.shape[1]), min_size=len(vectors), max_size=len(vectors)))
    mask = np.array([[index < length for index in range(vectors.shape[1])] for length in lengths], np.int64)
    found = Pool(how).run({"of": vectors, "attention_mask": mask})["embedding"]
    for row, length in enumerate(lengths):
        real = vectors[row, :length].astype(float)
        wanted = {"mean": real.mean(axis=0), "max": real.max(axis=0), "cls": real[0]}[how]
        np.testing.assert_allclose(found[row], wanted, rtol=1e-4, atol=1e-3)
    assert found.dtype == np.float32


@given(hidden)
def test_without_a_mask_every_vector_counts(vectors: np.ndarray) -> None:
    found = Pool("mean").run({"of": vectors})["embedding"]
    np.testing.assert_allclose(found, vectors.mean(axis=1), rtol=1e-4, atol=1e-3)


@given(scores)
def test_normalised_rows_have_length_one_or_are_zero(vectors: np.ndarray) -> None:
    found = Normalize().run({"of": vectors})["embedding"]
    for row, before in zip(found, vectors, strict=True):
        length = math.sqrt(sum(float(value) ** 2 for value in row))
        assert length == pytest.approx(1, abs=1e-5) or not before.any() or np.linalg.norm(before) < 1e-11


@given(scores)
def test_softmax_adds_up_to_one_and_keeps_the_order(vectors: np.ndarray) -> None:
    found = Activate("softmax").run({"of": vectors})["probabilities"]
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    for row, before in zip(found, vectors, strict=True):
        assert row[before.argmax()] == row.max()


@given(scores)
def test_sigmoid_never_overflows(vectors: np.ndarray) -> None:
    with np.errstate(over="raise"):
        found = Activate("sigmoid").run({"of": vectors})["probabilities"]
    wanted = [[1 / (1 + math.exp(-max(-500.0, float(value)))) for value in row] for row in vectors]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_label_is_that_of_the_highest_score() -> None:
    found = Label(["low", "高"]).run({"of": np.array([[0.1, 0.9], [2, -1]], np.float32)})
    assert found["label"].tolist() == ["高".encode(), b"low"]
    assert found["index"].tolist() == [1, 0]
    np.testing.assert_allclose(found["score"], [0.9, 2])


def test_half_precision_is_computed_in_single() -> None:
    vectors = np.full((1, 3000, 2), 60000, np.float16)
    np.testing.assert_allclose(Pool("mean").run({"of": vectors})["embedding"], [[60000, 60000]], rtol=1e-3)
