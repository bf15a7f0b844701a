import msgspec
import pytest

from modelwright.core.contracts.snapshot import Prompt, PromptMessage, PromptVariable
from modelwright.core.errors.calls import Malformed
from modelwright.core.prompting.variables import label, messages_of, problem_of, told, values_of


def variable(kind: str, **changes: object) -> PromptVariable:
    length = {"string": 5, "list": 2}.get(kind, 0)
    return msgspec.structs.replace(PromptVariable(name="x", type=kind, max_length=length), **changes)


def prompt(*variables: PromptVariable) -> Prompt:
    messages = (PromptMessage(role="system", content="a"), PromptMessage(role="user", content="b"))
    return Prompt(name="p", version="v2", digest="sha256:0", messages=messages, variables=variables)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", ["", "abcde", "更好"], ["abcdef", 1, None, ["a"], True]),
        ("integer", [0, -5, 2**63 - 1], [1.0, True, "1", 2**63, None]),
        ("number", [0, 1.5, -2], ["1", True, None, float("inf"), float("nan"), 10**400]),
        ("boolean", [True, False], [0, 1, "true", None]),
        ("list", [[], ["a", 1], [True, 2.5]], [["a", "b", "c"], "ab", [["a"]], [None], [{}], ["x" * 1001], None]),
    ],
)
def test_a_value_fits_its_type_or_is_told_why_not(kind: str, good: list[object], bad: list[object]) -> None:
    assert [problem_of(variable(kind), value) for value in good] == [""] * len(good)
    assert all(problem_of(variable(kind), value) for value in bad)


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(Malformed, match="prompt variable 'x' is missing") as refused:
        values_of(prompt(variable("string")), {})
    assert refused.value.param == "prompt_variables.x"
    assert refused.value.hint == "put it into 'prompt_variables': p@v2 takes a string of at most 5 characters"


def test_a_wrong_value_is_named_and_not_shown() -> None:
    with pytest.raises(Malformed, match="prompt variable 'x' is no whole number") as refused:
        values_of(prompt(variable("integer")), {"x": "secret"})
    assert "secret" not in str(refused.value)
    assert refused.value.param == "prompt_variables.x"


def test_a_default_fills_in() -> None:
    kind = variable("string", required=False, default="d")
    assert values_of(prompt(kind), {}) == {"x": "d"}
    assert values_of(prompt(kind), {"x": "e"}) == {"x": "e"}


def test_a_variable_that_another_variant_takes_is_no_fault_and_one_that_nobody_takes_is() -> None:
    assert values_of(prompt(variable("boolean")), {"x": True, "tone": "dry"}, known={"tone"}) == {"x": True}
    with pytest.raises(Malformed, match="no prompt variable 'tnoe'") as refused:
        values_of(prompt(variable("boolean")), {"x": True, "tnoe": "dry"}, known={"tone"})
    assert refused.value.hint == "did you mean tone?"


def test_a_long_name_is_shown_in_part() -> None:
    with pytest.raises(Malformed) as refused:
        values_of(prompt(), {"y" * 10_000: 1})
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "list"])
def test_every_type_has_words(kind: str) -> None:
    assert told(variable(kind)).startswith(("a ", "an "))


def test_a_blank_message_is_left_out() -> None:
    assert messages_of(prompt(), [" \n", "hi"]) == [{"role": "user", "content": "hi"}]
    assert label(prompt()) == "p@v2"
