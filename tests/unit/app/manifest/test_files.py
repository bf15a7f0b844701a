"""What is seen of the files that a manifest names."""

from pathlib import Path

from modelwright.app.artifacts.formats import ONNX
from modelwright.app.manifest.files import look
from tests.unit.app.manifest.conftest import ONNX as SMALL


def test_what_is_wrong_with_the_files(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    assert look(model, None).source_problem == "does not exist"
    assert look(tmp_path, None).source_problem == "is an empty folder"
    model.write_bytes(b"")
    assert look(model, None).source_problem == "is empty"
    model.write_bytes(SMALL)
    assert (look(model, None).format, look(model, None).source_problem) == (ONNX, "")
    assert look(tmp_path, tmp_path).source_problem == ""
    assert look(tmp_path, tmp_path).check_problem == "is a folder"
    check = tmp_path / "check.json"
    for content, problem in (
        (b"{", "is not JSON (line 1: Expecting property name enclosed in double quotes)"),
        (b"\xff", "is not JSON in UTF-8"),
        (b"[" * 100_000, "is not JSON in UTF-8"),
        (b"[]", "holds no JSON object"),
        (b"", "is empty"),
        (b'{"inputs": []}', ""),
    ):
        check.write_bytes(content)
        assert look(model, check).check_problem == problem
