"""scikit-learn models written for serving: answers are compared, and what would answer otherwise is not written."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.svm import LinearSVC

from modelwright import save_sklearn
from modelwright.app.artifacts.formats import ONNX, SKOPS, format_of
from modelwright.core.errors.converting import CannotConvert
from tests.making.trained_models import irises, patients

CLASSIFIED = {"label": "INT64", "probabilities": "FP64"}


@pytest.mark.parametrize(
    ("model", "outputs", "given"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), CLASSIFIED, "FP64"),
        (RandomForestClassifier(n_estimators=5), {**CLASSIFIED, "probabilities": "FP32"}, ""),
        (GradientBoostingClassifier(n_estimators=5), {**CLASSIFIED, "probabilities": "FP32"}, "FP32"),
        (GridSearchCV(LogisticRegression(max_iter=500), {"C": [1, 2]}, cv=2), CLASSIFIED, "FP64"),
        (LinearSVC(), {"label": "INT64"}, "FP32"),
        (Ridge(), {"prediction": "FP64"}, "FP64"),
        (HistGradientBoostingRegressor(max_iter=5), {"prediction": "FP32"}, "FP32"),
        (StandardScaler(), {"transformed": "FP64"}, "FP64"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_written_answers_as_the_model(tmp_path: Path, model: Any, outputs: dict[str, str], given: str) -> None:
    x, y = irises()
    model.fit(x, y)
    saved = save_sklearn(model, tmp_path / "m.onnx", sample=x)
    assert (saved.outputs, saved.rows) == (outputs, 150)
    assert saved.inputs["x"] == given or not given
    assert saved.difference <= saved.tolerance == 1e-5
    assert format_of(tmp_path / "m.onnx") == ONNX
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    sent = x.astype({"FP32": np.float32, "FP64": np.float64}[saved.inputs["x"]])
    answers: Any = dict(zip(outputs, session.run(list(outputs), {"x": sent}), strict=True))
    first = next(iter(outputs))
    expected = model.transform(x) if first == "transformed" else model.predict(x)
    np.testing.assert_allclose(answers[first].reshape(expected.shape), expected, rtol=1e-5)
    if "probabilities" in outputs:
        np.testing.assert_allclose(answers["probabilities"], model.predict_proba(x), atol=1e-6)


def test_the_file_says_what_was_compared(tmp_path: Path) -> None:
    model = Ridge().fit(*patients())
    saved = save_sklearn(model, tmp_path / "m.onnx", sample=patients()[0][:20], tolerance=1e-6)
    facts = {fact.key: fact.value for fact in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert facts["modelwright.from"] == "sklearn.linear_model._ridge.Ridge"
    assert facts["modelwright.compared_rows"] == "20"
    assert facts["modelwright.tolerance"] == "1e-06"
    assert float(facts["modelwright.difference"]) == pytest.approx(saved.difference, rel=0.01)
    assert "scikit-learn" in facts["modelwright.by"]


def test_every_column_of_a_data_frame_is_an_input(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": rng.integers(18, 90, 60), "income": rng.normal(3e4, 1e4, 60), "city": rng.choice(["Bern", "Lyon"], 60)}
    )
    columns = make_column_transformer((OneHotEncoder(), ["city"]), (StandardScaler(), ["age", "income"]))
    bought = (frame["income"] > 3e4).astype(int) + (frame["city"] == "Bern").astype(int)
    model = make_pipeline(columns, LogisticRegression()).fit(frame, bought)
    saved = save_sklearn(model, tmp_path / "m.onnx", sample=frame, check=tmp_path / "check.json")
    assert saved.inputs == {"age": "INT64", "income": "FP32", "city": "BYTES"}
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    given: Any = {name: frame[[name]].to_numpy() for name in frame.columns}
    given["income"] = given["income"].astype(np.float32)
    labels: Any = session.run(["label"], given)[0]
    np.testing.assert_array_equal(labels, model.predict(frame))
    request = msgspec.json.decode((tmp_path / "check.json").read_bytes())
    assert [one["shape"] for one in request["inputs"]] == [[1, 1]] * 3
    assert request["inputs"][2]["data"] == [[frame["city"][0]]]
    with pytest.raises(CannotConvert, match="data frame"):
        save_sklearn(model, tmp_path / "m.skops", sample=frame, format="skops")


def test_a_model_of_texts_takes_texts(tmp_path: Path) -> None:
    texts = ["good wine", "fine wine", "bad beer", "poor beer"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["wine", "wine", "beer", "beer"])
    saved = save_sklearn(model, tmp_path / "m.skops", sample=texts, format="skops")
    assert (saved.inputs, saved.outputs["label"]) == ({"x": "BYTES"}, "BYTES")


def test_a_request_of_the_sample_s_first_row_is_written_for_the_check(tmp_path: Path) -> None:
    x, y = irises()
    model = LogisticRegression(max_iter=500).fit(x, y)
    save_sklearn(model, tmp_path / "m.onnx", sample=x, check=tmp_path / "check.json")
    request = msgspec.json.decode((tmp_path / "check.json").read_bytes())
    assert request == {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [x[0].tolist()]}]}


def test_what_has_no_converter_is_written_by_skops_when_asked(tmp_path: Path) -> None:
    x, _ = patients()
    model = make_pipeline(SplineTransformer(), Ridge()).fit(*patients())
    with pytest.raises(CannotConvert, match="SplineTransformer") as caught:
        save_sklearn(model, tmp_path / "m.onnx", sample=x)
    assert "format='skops'" in caught.value.hint
    assert not (tmp_path / "m.onnx").exists()
    saved = save_sklearn(model, tmp_path / "m.skops", sample=x, format="skops")
    assert "scipy.interpolate._bsplines.BSpline" in saved.trusted
    assert (saved.inputs, saved.outputs, saved.difference) == ({"x": "FP64"}, {"prediction": "FP64"}, 0.0)
    assert format_of(tmp_path / "m.skops") == SKOPS


def test_answers_that_differ_are_not_written(tmp_path: Path) -> None:
    x, y = irises()
    model = HistGradientBoostingRegressor(max_iter=3).fit(x, y)
    with pytest.raises(CannotConvert, match="answers differ by up to") as caught:
        save_sklearn(model, tmp_path / "m.onnx", sample=x, tolerance=1e-12)
    assert "1e-12 is allowed" in caught.value.message
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("sample", [[], [[None, 1.0]], np.zeros((0, 3))])
def test_what_is_no_sample_is_said_so(tmp_path: Path, sample: Any) -> None:
    with pytest.raises(CannotConvert, match="the sample holds"):
        save_sklearn(KernelRidge(), tmp_path / "m.onnx", sample=sample)
