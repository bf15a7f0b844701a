"""Names of classes from a file: one a line, and what is wrong with one that holds none."""

from pathlib import Path

import pytest

from modelwright.app.artifacts.labels import MOST, read_labels


def test_one_name_a_line_in_the_order_of_the_indices(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeffcat\r\nred panda \n\nKatze ü\n\n".encode())
    assert read_labels(path) == ("cat", "red panda", "", "Katze ü")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\n \n", "holds no name"),
        (b"caf\xe9", "is no text in UTF-8 (byte 3)"),
        (b"a\n" * MOST, "is larger than 4 MiB"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are compared below
        read_labels(path)
    assert str(caught.value) == problem


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        read_labels(tmp_path / "labels.txt")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_labels(tmp_path)
