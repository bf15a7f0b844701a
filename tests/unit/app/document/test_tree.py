"""Merging overlays, and other arithmetic of trees."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.document.tree import Merge, Node, dotted, leaves, mapped, merged, plain, scalar, without

keys = st.sampled_from(["a", "b", "c", "d"])
values = st.one_of(st.integers(0, 9), st.booleans(), st.text("xyz", max_size=3))
trees = st.recursive(
    st.one_of(values, st.lists(values, max_size=3)),
    lambda below: st.dictionaries(keys, below, max_size=4),
    max_leaves=12,
)
maps = st.dictionaries(keys, trees, max_size=4)
overlays = st.recursive(
    st.one_of(values, st.none(), st.lists(values, max_size=3)),
    lambda below: st.dictionaries(keys, below, max_size=4),
    max_leaves=12,
).flatmap(lambda below: st.dictionaries(keys, st.just(below), max_size=4))


def grown(value: Any, line: int = 1) -> Node:
    if isinstance(value, dict):
        return Node({key: grown(child, line + 1) for key, child in value.items()}, line)
    if isinstance(value, list):
        return Node([grown(child, line) for child in value], line)
    return Node(value, line)


def expected(under: Any, over: Any) -> Any:
    """The rule in other words."""
    if not isinstance(over, dict):
        return over
    if not isinstance(under, dict):
        under = {}
    result = {key: value for key, value in under.items() if key not in over}
    for key, value in over.items():
        if value is not None:
            result[key] = expected(under.get(key), value)
    return result


@given(maps, overlays)
def test_maps_merge_lists_replace_null_deletes(under: dict[str, Any], over: dict[str, Any]) -> None:
    assert plain(merged(grown(under), grown(over))) == expected(under, over)


@given(maps)
def test_an_empty_overlay_changes_nothing(under: dict[str, Any]) -> None:
    assert merged(grown(under), grown({})) == grown(under)


@given(maps, maps)
def test_merging_twice_is_merging_once(under: dict[str, Any], over: dict[str, Any]) -> None:
    once = merged(grown(under), grown(over))
    assert plain(merged(once, grown(over))) == plain(once)


@given(maps, overlays)
def test_the_arguments_stay_as_they_were(under: dict[str, Any], over: dict[str, Any]) -> None:
    one, other = grown(under), grown(over)
    merged(one, other)
    assert (one, other) == (grown(under), grown(over))


def test_each_value_keeps_the_line_of_its_own_file_part() -> None:
    under = Node({"a": Node({"x": Node(1, 2), "y": Node(2, 3)}, 1)}, 1)
    over = Node({"a": Node({"x": Node(9, 40)}, 39), "b": Node(3, 41)}, 39)
    result = merged(under, over)
    assert result.line_of(("a", "x")) == 40
    assert result.line_of(("a", "y")) == 3
    assert result.line_of(("b",)) == 41


def test_a_null_that_deletes_nothing_is_noted() -> None:
    notes = Merge()
    result = merged(grown({"a": {"x": 1}}), grown({"a": {"y": None, "x": None}, "b": None}), notes=notes)
    assert plain(result) == {"a": {}}
    assert notes.vain == [("a", "y"), ("b",)]


@given(maps)
def test_removing_every_leaf_leaves_no_value(tree: dict[str, Any]) -> None:
    node = grown(tree)
    for path, _ in list(leaves(node)):
        first = next((index for index, step in enumerate(path) if isinstance(step, int)), len(path))
        node = without(node, path[:first])
    assert not list(leaves(node))


@given(maps)
def test_mapping_by_identity_changes_nothing(tree: dict[str, Any]) -> None:
    assert mapped(
        grown(tree), lambda _, node: node.value if not isinstance(node.value, dict | list) else None
    ) == grown(tree)


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("~", None), ("null", None), ("true", True), ("FALSE", False), ("yes", "yes"), ("12", 12), ("-3", -3),
     ("0x1F", 31), ("0o17", 15), ("017", 17), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), (".inf", float("inf")),
     ("-.INF", float("-inf")), ("0b1", "0b1"), ("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("=", "=")],
)  # fmt: skip
def test_plain_texts_by_the_core_schema(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


def test_paths_as_people_read_them() -> None:
    assert dotted(("providers", "pool", "keys", 0)) == "providers.pool.keys[0]"
    assert dotted(()) == ""
