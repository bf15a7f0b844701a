import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from modelwright.app.artifacts.digests import FILE, PREFIX, digest_of, digest_of_folder, model_digests
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


def test_digest_of_a_folder_is_that_of_its_sums(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "below").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"w" * 3_000_000)
    (folder / "below" / "größe.json").write_bytes(b"{}")
    command = r"find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    sums = subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True, capture_output=True, text=True).stdout
    found = digest_of(folder)
    assert found == f"sha256:{sums.split()[0]}"
    assert model_digests(tmp_path, {"folder": folder}) == {"folder": found}
    (folder / "below" / "größe.json").rename(folder / "grösse.json")
    assert model_digests(tmp_path, {"folder": folder})["folder"] == digest_of(folder) != found


def test_no_name_makes_two_files_of_one(tmp_path: Path) -> None:
    two = {"a": PREFIX + "1" * 64, "b": PREFIX + "2" * 64}
    one = {f"a\n{'2' * 64}  b": PREFIX + "1" * 64}
    assert digest_of_folder(one) != digest_of_folder(two)
    for name in ("a\nb", "a\\b", "a\rb", "größe"):
        (tmp_path / name).write_bytes(name.encode())
    words = ["sha256sum", "--", *sorted(path.name for path in tmp_path.iterdir())]
    sums = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True, env={"LC_ALL": "C"}).stdout
    assert digest_of(tmp_path) == PREFIX + hashlib.sha256(sums).hexdigest()
