"""Mending misspelt keys in the file itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.document.parse import parse
from modelwright.app.document.tree import plain
from modelwright.app.manifest.mending import mend_manifest, mended, write_file
from modelwright.app.manifest.shape import keys_at
from modelwright.core.errors.starting import StartError

FILE = """\
# a comment
schema: 1
name: demo      # and one
modles:
  digits: {sorce: "./a.onnx", 'bathcing': {max_row: 3}}   # flow
gateway:
   lisen:   "127.0.0.1:0"
   "worker": 2
enviroments:
  prodution: {gatway: {worker: 2}}
promts: {}
zzz: 1
"""
MENDED = """\
# a comment
schema: 1
name: demo      # and one
models:
  digits: {source: "./a.onnx", 'batching': {max_rows: 3}}   # flow
gateway:
   listen:   "127.0.0.1:0"
   "workers": 2
environments:
  production: {gateway: {workers: 2}}
prompts: {}
zzz: 1
"""


def test_keys_change_and_nothing_else() -> None:
    text, changes = mended(FILE)
    assert text == MENDED
    assert [(one.line, one.old, one.new) for one in changes] == [
        (4, "modles", "models"),
        (5, "sorce", "source"),
        (5, "bathcing", "batching"),
        (5, "max_row", "max_rows"),
        (7, "lisen", "listen"),
        (8, "worker", "workers"),
        (9, "enviroments", "environments"),
        (10, "prodution", "production"),
        (10, "gatway", "gateway"),
        (10, "worker", "workers"),
        (11, "promts", "prompts"),
    ]


def test_mending_twice_changes_nothing_more() -> None:
    assert mended(MENDED) == (MENDED, ())


def test_two_that_mean_the_same_and_one_that_stands_there_already_are_left_to_the_user() -> None:
    for text in ("gatway: {}\ngateay: {}\n", "gatway: {}\ngateway: {}\n"):
        assert mended(text) == (text, ())


def test_names_that_the_user_chooses_are_never_changed() -> None:
    text = "models: {modles: {source: x}}\nproviders: {provider: {kind: x, options: {api_verion: x}}}\n"
    assert mended(text) == (text, ())


def test_the_file_keeps_its_mode_its_line_ends_and_its_link(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_bytes(b"\xef\xbb\xbfmodles: {}\r\nname: x\r\n")
    real.chmod(0o640)
    link = tmp_path / "modelwright.yaml"
    link.symlink_to(real)
    assert [change.new for change in mend_manifest(link)] == ["models"]
    assert link.is_symlink()
    assert real.read_bytes() == b"\xef\xbb\xbfmodels: {}\r\nname: x\r\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["modelwright.yaml", "real.yaml"]


def test_a_right_file_and_a_file_that_is_no_yaml_are_not_written(tmp_path: Path) -> None:
    for content in (b"name: x\n", b"modles: [\n", b"modles: \xff\n", b""):
        path = tmp_path / "m.yaml"
        path.write_bytes(content)
        before = path.stat().st_ino
        assert mend_manifest(path) == ()
        assert (path.read_bytes(), path.stat().st_ino) == (content, before)
    assert mend_manifest(tmp_path / "none.yaml") == ()


def test_a_place_that_cannot_be_written_is_named() -> None:
    with pytest.raises(StartError, match="cannot be written"):  # where not even root can write
        write_file(Path("/proc/self/mountinfo"), b"x")


known = st.sampled_from(sorted(keys_at(())))


@given(known, st.integers(0, 30), st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
def test_a_mended_file_holds_the_same_values(key: str, at: int, letter: str) -> None:
    cut = at % (len(key) + 1)
    text = f"{key[:cut]}{letter}{key[cut:]}: {{x: 1}}  # comment\n"
    result, changes = mended(text)
    before, after = (list(plain(parse(each)[0]).values()) for each in (text, result))
    assert before == after
    assert all(change.new in keys_at(()) for change in changes)
    assert result.endswith(": {x: 1}  # comment\n")
