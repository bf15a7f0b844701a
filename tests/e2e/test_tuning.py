"""Threads and rows that a real worker tries at its start, and knows at the next one."""

import json
import subprocess
from pathlib import Path

import pytest

from modelwright.app.artifacts.digests import digest_of, marks_of
from modelwright.app.parts import ModelPart
from tests.e2e.running import modelwright
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


def test_a_model_is_measured_without_a_site(tmp_path: Path) -> None:
    double(tmp_path / "double.onnx")
    (tmp_path / "classes.py").write_text(CLASSES)
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text(
        "schema: 1\nname: tuned\nmodels:\n"
        "  double: {source: ./double.onnx, engine: {threads: 2}, batching: {max_rows: 16}}\n"
        '  own: {engine: {kind: "python:classes:Double", threads: 1}, batching: {max_rows: 8}}\n'
        '  plain: {engine: {kind: "python:classes:Plain"}}\n'
        "  words: {source: ./double.onnx, engine: {kind: toy-text}}\n"
    )

    def tune(model: str, *options: str) -> subprocess.CompletedProcess[str]:
        return modelwright("models", "tune", model, "-f", str(manifest), *options)

    done = tune("double", "--json")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    tried = {(trial["threads"], trial["rows"]) for trial in measured["trials"]}
    assert tried == {(threads, rows) for threads in (1, 2) for rows in (1, 8, 16)}
    assert (measured["threads"], measured["rows"]) in tried
    (kept,) = (tmp_path / ".modelwright" / "tuning").glob("*.json")
    assert json.loads(kept.read_bytes()) == measured
    head, *rows = tune("own").stdout.splitlines()
    assert head.split() == ["threads", "rows", "ms", "per", "call", "rows/s"]
    assert [row.split()[:2] for row in rows] == [["1", "1"], ["1", "8"]]
    assert sum(row.endswith("taken") for row in rows) == 1
    for model, words in (
        ("plain", "`batching.tune` is for tensors"),
        ("words", "models.words: toy-text has no threads and rows to try"),
        ("dobule", "there is no model 'dobule'"),
    ):
        refused = tune(model)
        assert (refused.returncode != 0, words in refused.stderr) == (True, True), refused.stderr


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
