import os
from pathlib import Path

import pytest

from modelwright.app.artifacts.digests import digest_of
from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.sources.sources import Sources
from modelwright.core.errors.starting import BadModelFile


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "state").mkdir()
    (tmp_path / "digits.onnx").write_bytes(b"one")
    return Sources(tmp_path / "state", tmp_path)


def test_a_path_is_found_with_its_digest_and_its_marks(sources: Sources, tmp_path: Path) -> None:
    found = sources.locate("./digits.onnx")
    assert (found.source, found.path) == ("./digits.onnx", str(tmp_path / "digits.onnx"))
    assert found.digest == digest_of(tmp_path / "digits.onnx")
    assert (found.version, found.promised) == ("", False)
    (tmp_path / "digits.onnx").write_bytes(b"two")
    again = sources.locate("digits.onnx")
    assert (again.digest, again.marks) != (found.digest, found.marks)


def test_a_stated_digest_is_what_has_to_be_there(sources: Sources) -> None:
    found = sources.locate("digits.onnx", f"sha256:{'0' * 64}")
    assert (found.digest, found.promised) == (f"sha256:{'0' * 64}", True)


def test_a_run_goes_by_what_it_found_first(sources: Sources, tmp_path: Path) -> None:
    models = {"a": ModelSection(source="./digits.onnx"), "b": ModelSection(source="./digits.onnx")}
    first = sources.of(models)
    assert first["a"] == first["b"]
    (tmp_path / "digits.onnx").write_bytes(b"two")
    os.utime(tmp_path / "digits.onnx", ns=(1, 1))
    assert sources.of(models) == first
    assert sources.locate("./digits.onnx") != first["a"] == first["b"]
    assert sources.of(models) != first


def test_a_file_that_is_not_there_is_named(sources: Sources) -> None:
    with pytest.raises(BadModelFile, match=r"gone\.onnx: cannot be read"):
        sources.locate("./gone.onnx")
