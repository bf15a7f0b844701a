"""The best classes as text: order, ties, labels and shapes, as Triton's classification extension has them."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.ports.engines import Array, Signature, TensorSpec
from modelwright.core.wire.v2 import InferRequest, RequestOutput
from modelwright.serving.v2.answers import AnswerWriter
from modelwright.serving.v2.classes import best_classes

NAMES = ("cat", "dog")


def classes(scores: object, most: int, *, labels: Sequence[str] = (), dtype: str = "<f4") -> list[list[str]]:
    found = best_classes(np.array(scores, dtype), most, batches=True, labels=labels)
    return [[text.decode() for text in row] for row in found.tolist()]


def test_best_come_first_with_score_index_and_label() -> None:
    assert classes([[0.1, 0.7, 0.2], [3, 1, 2]], 2, labels=NAMES) == [
        ["0.700000:1:dog", "0.200000:2"],
        ["3.000000:0:cat", "2.000000:2"],
    ]


def test_equal_scores_are_in_order_of_their_index_and_whole_numbers_have_no_point() -> None:
    assert classes([[5, 9, 9, 5]], 4, dtype="<u1") == [["9:1", "9:2", "5:0", "5:3"]]


def test_what_is_no_number_is_no_best_class() -> None:
    assert classes([[np.nan, 1, np.inf, -np.inf]], 4) == [["inf:2", "1.000000:1", "nan:0", "-inf:3"]]


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=20), st.integers(1, 30))
def test_as_many_as_there_are_and_none_better_is_left_out(scores: list[int], most: int) -> None:
    (found,) = classes([scores], most, dtype="<i4")
    assert [int(text.split(":")[0]) for text in found] == sorted(scores, reverse=True)[:most]
    assert all(scores[int(index)] == int(score) for score, index in (text.split(":") for text in found))


@pytest.mark.parametrize(
    ("shape", "scores", "wanted"),
    [
        ((-1, 3), [[1, 3, 2]], [1, 2]),
        ((-1, 2, 2), [[[1, 2], [3, 4]], [[0, 0], [0, 9]]], [2, 2]),
        ((-1,), [7, 8], [2, 1]),
        ((1, 4), [[1, 2, 3, 4]], [2]),
    ],
)
def test_shape_is_rows_by_classes_for_a_model_that_batches(
    shape: tuple[int, ...], scores: object, wanted: list[int]
) -> None:
    spec = TensorSpec(name="y", datatype="FP32", shape=shape)
    taken = TensorSpec(name="x", datatype="FP32", shape=(shape[0],))
    answers = AnswerWriter(Signature(inputs=(taken,), outputs=(spec,), platform="test"), model="m", labels=NAMES)
    plan = answers.plan(InferRequest([], outputs=[RequestOutput("y", {"classification": 2})]))
    array: Array = np.array(scores, np.float32)
    _, body = answers.write(plan, {"y": array})
    (output,) = msgspec.json.decode(body)["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", wanted)
    assert len(output["data"]) == np.prod(wanted)


def test_half_precision_as_classes_needs_no_bytes_but_may_go_as_such() -> None:
    spec = TensorSpec(name="y", datatype="FP16", shape=(-1, 2))
    answers = AnswerWriter(Signature(inputs=(spec,), outputs=(spec,), platform="test"), model="m")
    array: Array = np.array([[0.5, 1]], np.float16)
    wish = RequestOutput("y", {"classification": 1})
    assert b'"1.000000:1"' in answers.write(answers.plan(InferRequest([], outputs=[wish])), {"y": array})[1]
    plan = answers.plan(InferRequest([], parameters={"binary_data_output": True}, outputs=[wish]))
    assert answers.write(plan, {"y": array})[1].endswith(b"\x0a\0\0\x001.000000:1")
