"""Threads and rows that a real worker tries at its start, and knows at the next one."""

import json
from pathlib import Path

import pytest

from modelwright.app.artifacts.digests import digest_of, marks_of
from modelwright.app.parts import ModelPart
from tests.e2e.serving_worker import first_column, serving
from tests.making.onnx_models import double

pytestmark = pytest.mark.e2e


CLASSES = """
from modelwright import Tensor


class Double:
    inputs = {"x": Tensor("FP32", -1, 4)}
    outputs = {"y": Tensor("FP32", -1, 4)}

    def load(self, threads):
        print("loaded for", threads)

    def predict(self, x):
        return 2 * x


class Plain:
    def predict(self, x: int) -> int:
        return x
"""


def test_a_class_with_tensors_is_tuned_and_one_without_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "classes.py"
    path.write_text(CLASSES)
    part = ModelPart(
        model="m", engine="python:classes:Double", wire="plain", path=str(path),
        digest=digest_of(path), marks=marks_of(path),
    )  # fmt: skip
    for _ in range(2):
        with serving(tmp_path, part, tune=True, threads=2, max_rows=8) as worker:
            assert "m by python:classes:Double, tuned to" in worker.notices[-1].detail
            assert first_column(worker.infer([[1, 2, 3, 4]] * 20)) == [2.0] * 20
    (file,) = (tmp_path / "tuning").glob("*.json")
    tried = json.loads(file.read_bytes())["trials"]
    assert {(trial["threads"], trial["rows"]) for trial in tried} == {(2, 8), (2, 1), (1, 8), (1, 1)}
    with serving(tmp_path, part, engine="python:classes:Plain", tune=True, ready=False) as worker:
        worker.wait_for("failed")
        assert "`batching.tune` is for tensors, and classes:Plain declares none" in worker.notices[-1].detail


def test_what_was_tried_is_told_and_kept_for_the_same_artifact_and_settings(tmp_path: Path) -> None:
    path = double(tmp_path / "double.onnx")
    part = ModelPart(
        model="m", engine="onnxruntime", wire="v2", path=str(path), digest=digest_of(path), marks=marks_of(path)
    )
    for threads in (2, 2, 1):
        with serving(tmp_path, part, tune=True, threads=threads, max_rows=16) as worker:
            assert "m by onnxruntime, tuned to" in worker.notices[-1].detail
            assert first_column(worker.infer([[1, 2, 3, 4]] * 40)) == [2.0] * 40
    files = list((tmp_path / "tuning").glob("*.json"))
    assert len(files) == 2
    found = [json.loads(file.read_bytes()) for file in files]
    assert {trial["rows"] for one in found for trial in one["trials"]} == {1, 8, 16}
    assert sorted(max(trial["threads"] for trial in one["trials"]) for one in found) == [1, 2]
