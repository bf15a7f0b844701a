from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.wire.openai_vectors import (
    MOST_INPUTS,
    read_inputs,
    read_vectors,
    shares,
    with_inputs,
    write_vectors,
)


def row(index: int, vector: Any = (0.5,)) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": vector}


def answer(*rows: dict[str, Any], **more: Any) -> bytes:
    return msgspec.json.encode({"object": "list", "data": rows, "model": "m", **more})


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        (b'"one"', [b'"one"']),
        (b'["a", "b" ]', [b'"a"', b'"b"']),
        (b"[1, 2]", [b"[1, 2]"]),
        (b"[[1, 2], [3]]", [b"[1, 2]", b"[3]"]),
        (b'["a", [1]]', [b'"a"', b"[1]"]),
        (b"[]", None),
        (b"null", None),
        (b"7", None),
        (b'{"a":1}', None),
        (b'["a", 1]', None),
        (b"[null]", None),
        (b'[{"image":"x"}]', None),
    ],
)
def test_inputs_are_told_apart(given: bytes, inputs: list[bytes] | None) -> None:
    assert read_inputs(given) == inputs


def test_a_request_for_other_inputs_keeps_all_else() -> None:
    body = b'{"model":"m", "input":["a","b"],"dimensions":8,"x":{"y": 1e0}}'
    assert with_inputs(body, [b'"b"']) == b'{"model":"m","input":["b"],"dimensions":8,"x":{"y": 1e0}}'


def test_an_answer_is_taken_apart_in_the_order_of_the_inputs() -> None:
    vectors = read_vectors(answer(row(1, [1.50]), row(0, "AAAA"), usage={"prompt_tokens": 5, "total_tokens": 5}), 2)
    assert vectors is not None
    assert vectors.each == [b'{"object":"embedding","embedding":"AAAA"}', b'{"object":"embedding","embedding":[1.5]}']
    assert (msgspec.json.decode(vectors.around), vectors.tokens) == ({"object": "list", "model": "m"}, 5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        answer(row(0)),
        answer(row(0), row(0)),
        answer(row(0), row(2)),
        answer(row(0), row(-1)),
        answer(row(0), row(1), row(1)),
        answer(row(0), row(1, None)),
        answer(row(0), {"object": "embedding", "index": 1}),
        answer(row(0), row(1), error={"message": "no"}),
        answer(row(0), row(1))[:-9],
        answer(row(0), 7),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_one_vector_for_each_is_no_answer(body: bytes) -> None:
    assert read_vectors(body, 2) is None


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1), min_size=1))
def test_apart_and_together_again_is_the_same_answer(rows: list[list[float]]) -> None:
    whole = answer(*(row(index, vector) for index, vector in enumerate(rows)), usage={"prompt_tokens": 9})
    vectors = read_vectors(whole, len(rows))
    assert vectors is not None
    again = msgspec.json.decode(write_vectors(vectors.each, around=vectors.around, tokens=vectors.tokens))
    assert again == {**msgspec.json.decode(whole), "usage": {"prompt_tokens": 9, "total_tokens": 9}}


@given(st.integers(0, 10**15), st.lists(st.integers(0, 1000), min_size=1).filter(any))
def test_shares_add_up_exactly_and_go_by_size(total: int, sizes: list[int]) -> None:
    parts = shares(total, sizes)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)
    for part, size in zip(parts, sizes, strict=True):
        assert abs(part - total * size / sum(sizes)) <= 1 + total * 1e-12


def test_more_inputs_than_any_vendor_takes_are_not_taken_apart() -> None:
    for one in (b'"a"', b"[1]"):
        assert read_inputs(b"[" + b",".join([one] * MOST_INPUTS) + b"]") is not None
        assert read_inputs(b"[" + b",".join([one] * (MOST_INPUTS + 1)) + b"]") is None
    assert read_inputs(b"[" + b",".join([b"1"] * 600_000) + b"]") is None
    assert read_inputs(b"[" + b",".join([b"1"] * 10_000) + b"]") is not None  # tokens of one input
