"""The grammar of references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.settings.references import BadReferenceError, Reference, escaped, fill, references, split_text

texts = st.text(alphabet="ab${}: env", max_size=40)


def test_pieces_in_order() -> None:
    assert split_text("http://${env:HOST}:${file:./port}/x") == [
        "http://",
        Reference("env", "HOST"),
        ":",
        Reference("file", "./port"),
        "/x",
    ]
    assert split_text("$${env:A} costs $5 and ${secret:B}") == ["${env:A} costs $5 and ", Reference("secret", "B")]
    assert split_text("") == []


@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("${NAME}", "does not say where", "`${env:NAME}`"),
        ("${env:NAME", "no closing", "close it"),
        ("${vault:x}", "not a reference that this version knows", "${secret:NAME}"),
        ("${}", "not a reference", "$${"),
        ("${env:}", "cannot be the name", "letters"),
        ("${env: A}", "cannot be the name", "letters"),
        ("${secret:../production/KEY}", "cannot be the name", "letters"),
        ("${secret:A/B}", "cannot be the name", "letters"),
        ("${file: }", "cannot be the path", "name a file"),
    ],
)
def test_a_bad_reference_says_what_to_write(text: str, problem: str, remedy: str) -> None:
    with pytest.raises(BadReferenceError) as caught:
        split_text(text)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


def test_references_print_as_they_are_written() -> None:
    assert [str(reference) for reference in references("${env:A}${secret:B}")] == ["${env:A}", "${secret:B}"]


@given(texts)
def test_an_escaped_text_means_itself(text: str) -> None:
    assert fill(escaped(text), lambda _: "never") == text


@given(texts)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        pieces = split_text(text)
    except BadReferenceError as error:
        remedy = error.remedy
        assert remedy
        return
    assert "".join(escaped(piece) if isinstance(piece, str) else str(piece) for piece in pieces) == text
