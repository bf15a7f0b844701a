"""Formats of trees by content."""

from pathlib import Path

import pytest

from modelwright.app.artifacts.formats import CATBOOST, LIGHTGBM, UNKNOWN, XGBOOST, format_of


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"learner":{"attributes":{}', XGBOOST),
        (b'{\n  "version": [2, 1, 0],\n  "learner": {', XGBOOST),
        (b"{L\0\0\0\0\0\0\0\x07learner{L\0\0\0\0\0\0\0\nattributes{}", XGBOOST),
        (b'{"inputs": [{"name": "learner"}]}', UNKNOWN),
        (b'{"version": "1.0"}', UNKNOWN),
        (b"tree\nversion=v4\nnum_class=3\n", LIGHTGBM),
        (b"tree\r\nversion=v3\r\n", LIGHTGBM),
        (b"tree of life\n", UNKNOWN),
        (b"CBM1\x00\x00", CATBOOST),
    ],
)
def test_the_format_is_that_of_the_content(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    assert format_of(path) == expected
