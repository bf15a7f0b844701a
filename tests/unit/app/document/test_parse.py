"""Reading YAML into a tree with lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.document.parse import MAX_BYTES, DocumentError, parse, read_bytes, read_text
from modelwright.app.document.tree import leaves, plain


def refused(text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    return caught.value


def test_values_keep_their_lines() -> None:
    tree, faults = parse("a: 1\nb:\n  c: [x,\n      y]\n  d: {e: 2}\n")
    assert not faults
    assert plain(tree) == {"a": 1, "b": {"c": ["x", "y"], "d": {"e": 2}}}
    assert tree.line_of(("b",)) == 2
    assert tree.line_of(("b", "c", 1)) == 4
    assert tree.line_of(("b", "d", "e")) == 5
    assert tree.line_of(("b", "d", "nothing", "here")) == 5


def test_words_of_yaml_1_1_stay_words() -> None:
    tree, _ = parse("%YAML 1.1\n---\n{a: off, b: no, c: 2001-01-01, d: 1_000, e: 0o17, f: 1e3, g: ~, h: '1', i: True}")
    assert plain(tree) == {
        "a": "off", "b": "no", "c": "2001-01-01", "d": "1_000", "e": 15, "f": 1000.0, "g": None, "h": "1", "i": True,
    }  # fmt: skip


def test_anchors_and_merge_keys_are_followed() -> None:
    tree, faults = parse("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: *x\nq: {<<: [{a: 8}, *x]}\n")
    assert not faults
    assert plain(tree) == {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}, "z": {"a": 1, "b": 2}, "q": {"a": 8, "b": 2}}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 0, "empty"),
        ("# only a comment\n", 0, "empty"),
        ("- a\n", 1, "a list, not keys"),
        ("hello\n", 1, "a single value, not keys"),
        ("a:\n\tb: 1\n", 2, "a tab indents"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: [1\n", 2, "not readable as YAML"),
        ("a: b: c\n", 1, "not readable as YAML"),
        ("a: *nobody\n", 1, "undefined alias"),
        ("a: &a [*a]\n", 1, "leads into itself"),
        ("a: &a {b: *a}\n", 1, "leads into itself"),
        ("a: \x07\n", 0, "character that YAML does not allow"),
        ("a: " + "[" * 200, 1, "nested deeper"),
        ("a: " + "{b: " * 200, 1, "nested deeper"),
    ],
)
def test_what_is_no_manifest_says_where_and_why(text: str, line: int, problem: str) -> None:
    error = refused(text)
    assert problem in error.problem
    assert error.remedy
    assert error.line == line


def test_a_bomb_of_anchors_is_refused() -> None:
    layers = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "values" in refused("a0: &a0 [x, x, x, x]\n" + "\n".join(layers)).problem


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "a", "stands here twice, first in line 1"),
        ("m:\n  a: 1\n  a: 3\n", "m.a", "stands here twice, first in line 2"),
        ("a: !!python/object:os.system x\n", "a", "the tag"),
        ("? [a]\n: 1\nb: 1\n", "", "a key that is no word"),
        ("a: {<<: 3}\n", "a.<<", "takes a map"),
    ],
)
def test_what_can_be_left_out_is_a_fault_beside_the_tree(text: str, key: str, problem: str) -> None:
    tree, faults = parse(text)
    assert isinstance(tree.value, dict)
    assert [(fault.key, problem in fault.problem) for fault in faults] == [(key, True)]


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    for path, problem in ((tmp_path / "no", "no such file"), (tmp_path, "a directory"), (large, "larger than 1 MiB")):
        with pytest.raises(DocumentError, match=problem):
            read_bytes(path)


def test_bytes_that_are_no_text_name_their_line() -> None:
    for content, problem in ((b"a: 1\nb: \0\n", "NUL"), (b"a: 1\nb: \xff\n", "UTF-8")):
        with pytest.raises(DocumentError, match=problem) as caught:
            read_text(content)
        assert caught.value.line == 2
    assert read_text(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n") == "a: 1\nb: 2\n"


@given(st.text(alphabet="ab:-[]{}&*!?|>'\"%# \n\t0<", max_size=60))
def test_any_text_is_a_tree_or_an_error_with_a_remedy(text: str) -> None:
    try:
        tree, faults = parse(text)
    except DocumentError as error:
        problem = error.problem
        remedy = error.remedy
    else:
        assert all(fault.problem and fault.remedy for fault in faults)
        assert all(0 < node.line <= text.count("\n") + 1 for _, node in leaves(tree))
        return
    assert problem
    assert remedy
