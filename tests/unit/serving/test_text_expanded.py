"""How large grammars are with their repetitions written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.ports.engines import Constraint
from modelwright.serving.text.expanded import expanded


@pytest.mark.parametrize(
    ("pattern", "signs"),
    [
        ("abc", 3),
        ("a{3}", 3),
        ("a{2,5}b", 6),
        ("a{2,}", 2),
        ("(ab){3}c", 7),
        ("((a{10}){10}){10}", 1000),
        (r"\d{4}-[0-9a-f]{2}", 7),
        (r"\({3}", 3),
        ("[({]{2}", 2),
        ("a{x}", 4),
        ("(a|b)*", 3),
        ("[[" * 4 + "\\", 1),
        ("(((a", 1),
        ("a))", 3),
    ],
)
def test_repetitions_are_written_out(pattern: str, signs: int) -> None:
    assert expanded(Constraint("regex", pattern)) == signs


def test_patterns_of_a_schema_are_found_wherever_they_are() -> None:
    schema = '{"anyOf": [{"pattern": "a{9}"}, {"patternProperties": {"b{12}": {}}}], "pattern": 3}'
    assert expanded(Constraint("json_schema", schema)) == 12
    assert expanded(Constraint("json_schema", "{")) == 0


@given(st.text(alphabet="a([{}])\\,0123456789*|", max_size=60))
def test_any_pattern_is_judged(pattern: str) -> None:
    assert expanded(Constraint("regex", pattern)) >= 0
    assert expanded(Constraint("regex", f"(({pattern}){{99999999999}}){{{'9' * 6000}}}")) >= 0
