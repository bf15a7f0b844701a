"""What is loaded is what was looked at."""

from pathlib import Path

import msgspec
import pytest

from modelwright.app.artifacts.digests import digest_of, marks_of
from modelwright.app.parts import ModelPart
from modelwright.app.wiring.serving import check_file, check_unchanged
from modelwright.core.errors.starting import BadModelFile


@pytest.fixture
def part(tmp_path: Path) -> ModelPart:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"one")
    return ModelPart(
        model="m", engine="onnxruntime", wire="v2", path=str(path), digest=digest_of(path), marks=marks_of(path)
    )


def test_a_file_that_nobody_touched_is_not_read_again(part: ModelPart) -> None:
    assert check_file(msgspec.structs.replace(part, digest="sha256:what stands there")) == part.marks


def test_a_file_that_was_written_again_as_it_was_is_taken(part: ModelPart) -> None:
    Path(part.path).unlink()
    Path(part.path).write_bytes(b"one")
    assert check_file(part) != part.marks


def test_a_file_that_was_changed_since_it_was_looked_at_is_refused(part: ModelPart) -> None:
    Path(part.path).write_bytes(b"other")
    with pytest.raises(BadModelFile, match=r"model m: .* which it had when modelwright up looked at it"):
        check_file(part)


def test_a_promised_digest_is_compared_whatever_the_dates_say(part: ModelPart) -> None:
    wrong = msgspec.structs.replace(part, digest=f"sha256:{'0' * 64}", promised=True)
    with pytest.raises(BadModelFile, match=f"not sha256:{'0' * 64} .fetch it again, or correct the digest"):
        check_file(wrong)


def test_a_file_that_is_written_while_it_is_loaded_is_refused(part: ModelPart) -> None:
    marks = check_file(part)
    check_unchanged(part, marks)
    Path(part.path).write_bytes(b"longer")
    with pytest.raises(BadModelFile, match="was changed while it was being loaded"):
        check_unchanged(part, marks)


def test_a_file_that_went_away_is_named(part: ModelPart) -> None:
    Path(part.path).unlink()
    with pytest.raises(BadModelFile, match=r"m\.onnx: cannot be read: No such file"):
        check_file(part)
