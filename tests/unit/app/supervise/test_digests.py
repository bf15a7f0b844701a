import hashlib
import os
from pathlib import Path

import pytest

from modelwright.app.supervise.digests import FILE, model_digests
from modelwright.core.errors.starting import BadModelFile


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_digest_is_that_of_the_content_and_is_remembered(tmp_path: Path) -> None:
    model = tmp_path / "digits.onnx"
    model.write_bytes(b"one")
    assert model_digests(tmp_path, {"digits": model}) == {"digits": digest(b"one")}
    before = (tmp_path / FILE).stat()
    assert model_digests(tmp_path, {"digits": model}) == {"digits": digest(b"one")}
    assert (tmp_path / FILE).stat() == before


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    model = tmp_path / "digits.onnx"
    model.write_bytes(b"one")
    os.utime(model, ns=(1, 1))
    model_digests(tmp_path, {"digits": model})
    model.write_bytes(b"two")
    os.utime(model, ns=(2, 2))
    assert model_digests(tmp_path, {"digits": model}) == {"digits": digest(b"two")}


def test_spoilt_memory_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    model = tmp_path / "digits.onnx"
    model.write_bytes(b"one")
    assert model_digests(tmp_path, {"digits": model}) == {"digits": digest(b"one")}


def test_file_that_went_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match=r"gone\.onnx: cannot be read"):
        model_digests(tmp_path, {"digits": tmp_path / "gone.onnx"})
