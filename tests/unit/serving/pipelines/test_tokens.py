"""Texts to rows of few lengths, bounds told before anything is computed."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import CallError, ContextTooLong, EngineFailed, Malformed, Unprocessable
from modelwright.core.ports.engines import Tokens
from modelwright.serving.pipelines.tokens import Tokenize, TokenRules, lengths
from tests.unit.serving.pipelines.parts import Letters, texts


def step(**rules: object) -> Tokenize:
    return Tokenize(Letters(), TokenRules(**{"max_tokens": 40, **rules}))  # type: ignore[arg-type]


@given(st.integers(4, 100_000), st.integers(1, 100_000))
def test_a_row_is_filled_by_a_third_at_most(most: int, tokens: int) -> None:
    known = [*lengths(most)]
    assert known == sorted(set(known))
    assert known[-1] == most
    fitting = [length for length in known if length >= tokens]
    if tokens <= most:
        assert fitting[0] <= max(16, tokens * 3 / 2 + 1)


def test_rows_are_filled_and_masked() -> None:
    found = step(datatype="INT32").run(texts("abc", "a" * 18))
    assert found["input_ids"].shape == (2, 24)
    assert found["input_ids"][0].tolist() == [97, 98, 99] + [0] * 21
    assert found["attention_mask"].sum(axis=1).tolist() == [3, 18]
    assert not found["token_type_ids"].any()
    assert {array.dtype for array in found.values()} == {np.dtype(np.int32)}


def test_longer_text_is_refused_or_cut_as_it_is_written() -> None:
    with pytest.raises(ContextTooLong, match="text 1 has 41 tokens, at most 40 are taken") as caught:
        step().run(texts("a", "a" * 41))
    assert "longer: cut" in caught.value.hint
    assert step(cuts=True).run(texts("a" * 41))["attention_mask"].sum() == 40


@pytest.mark.parametrize(("most", "characters"), [(40, 65_536), (8192, 524_288)])
def test_a_text_that_is_far_too_long_is_never_tokenised(most: int, characters: int) -> None:
    class Never(Letters):
        def encode(self, texts: Sequence[str]) -> list[Tokens]:
            raise AssertionError("it was tokenised")

    for cuts in (False, True):
        refusing = Tokenize(Never(), TokenRules(max_tokens=most, cuts=cuts))
        with pytest.raises(ContextTooLong, match=f"text 1 has {characters + 1} characters, at most {characters}"):
            refusing.run(texts("a", " " * (characters + 1)))
        found = Tokenize(Letters(), TokenRules(max_tokens=most, cuts=True)).run(texts("a" * characters))
        assert found["attention_mask"].sum() == most


def test_empty_text_is_one_token_of_filling() -> None:
    assert step().run(texts(""))["attention_mask"].sum() == 1


def test_ids_of_a_client_are_checked() -> None:
    assert step().checked([[1, 2], [255]]) == [Tokens([1, 2], ()), Tokens([255], ())]
    for wrong in (256, -1, 10**30):
        with pytest.raises(Malformed, match="there is no token"):
            step().checked([[1], [wrong]])
    with pytest.raises(ContextTooLong):
        step().checked([[1] * 41])


def test_bytes_that_are_no_text_and_a_tokenizer_that_fails_are_call_errors() -> None:
    broken = np.empty(1, object)
    broken[:] = [b"\xff"]
    with pytest.raises(Unprocessable, match="not valid UTF-8"):
        step().run({"text": broken})

    class Failing(Letters):
        def encode(self, texts: object) -> list[Tokens]:
            raise RuntimeError("panic")

    with pytest.raises(EngineFailed, match="the tokenizer failed: RuntimeError: panic"):
        Tokenize(Failing(), TokenRules()).run(texts("a"))


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
def test_any_bytes_are_rows_or_a_call_error(values: list[bytes]) -> None:
    array = np.empty(len(values), object)
    array[:] = values
    try:
        found = step().run({"text": array})
    except CallError:
        return
    assert {len(rows) for rows in found.values()} == {len(values)}
