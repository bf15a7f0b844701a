"""scikit-learn models in skops files: which types are trusted, which models have which outputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from modelwright.adapters.engines.sklearn import SklearnEngine
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig
from tests.making.trained_models import irises, patients

TREE = "sklearn.tree._tree.Tree"


def config(path: Path, *, threads: int = 1, **options: object) -> EngineConfig:
    return EngineConfig(model="m", path=str(path), threads=threads, options=options)


def dumped(model: Any, folder: Path) -> Path:
    skops.io.dump(model, folder / "m.skops")
    return folder / "m.skops"


def test_types_that_nobody_trusts_are_named_with_what_to_write(tmp_path: Path) -> None:
    forest = RandomForestClassifier(n_estimators=3).fit(*irises())
    path = dumped(forest, tmp_path)
    with pytest.raises(BadModelFile, match="nobody has said to trust") as caught:
        SklearnEngine().load(config(path, trusted=["some.Other"]))
    assert TREE in caught.value.message
    assert "sklearn.ensemble" not in caught.value.message, "what skops knows needs no word"
    assert f"trusted: [some.Other, {TREE}]" in caught.value.hint
    SklearnEngine().load(config(path, trusted=[TREE]))


def test_estimators_compute_with_the_threads_they_are_given(tmp_path: Path) -> None:
    forest = make_pipeline(RandomForestClassifier(n_estimators=3, n_jobs=-1)).fit(*irises())
    engine = SklearnEngine()
    engine.load(config(dumped(forest, tmp_path), threads=2, trusted=[TREE]))
    assert engine._model.get_params()["randomforestclassifier__n_jobs"] == 2
    engine.close()


@pytest.mark.parametrize(
    ("model", "outputs"),
    [
        (LogisticRegression(max_iter=500), [("label", "INT64", (-1,)), ("probabilities", "FP64", (-1, 3))]),
        (LinearSVC(), [("label", "INT64", (-1,))]),
        (KernelRidge(), [("prediction", "FP64", (-1,))]),
        (KMeans(2), [("prediction", "INT32", (-1,))]),
        (PCA(2), [("transformed", "FP64", (-1, 2))]),
    ],
)
def test_outputs_are_those_that_the_model_has(tmp_path: Path, model: Any, outputs: list[Any]) -> None:
    x, y = irises()
    model.fit(x, y)
    engine = SklearnEngine()
    signature = engine.load(config(dumped(model, tmp_path)))
    assert [(spec.name, spec.datatype, spec.shape) for spec in signature.outputs] == outputs
    assert (signature.inputs[0].datatype, signature.inputs[0].shape) == ("FP64", (-1, 4))
    answer = engine.predict({"x": x})
    expected = model.transform(x) if isinstance(model, PCA) else model.predict(x)
    np.testing.assert_allclose(answer[outputs[0][0]], expected)


def test_several_targets_are_columns(tmp_path: Path) -> None:
    x, y = patients()
    model = KernelRidge().fit(x, np.stack([y, -y], axis=1))
    engine = SklearnEngine()
    assert engine.load(config(dumped(model, tmp_path))).outputs[0].shape == (-1, 2)


def test_a_classifier_of_several_targets_gives_labels_alone(tmp_path: Path) -> None:
    x, y = irises()
    model = RandomForestClassifier(n_estimators=3).fit(x, np.stack([y, y == 1], axis=1))
    engine = SklearnEngine()
    signature = engine.load(config(dumped(model, tmp_path), trusted=[TREE]))
    assert [(spec.name, spec.shape) for spec in signature.outputs] == [("label", (-1, 2))]
    np.testing.assert_array_equal(engine.predict({"x": x})["label"], model.predict(x))


def test_classes_by_name_come_as_texts(tmp_path: Path) -> None:
    x, y = irises()
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(max_iter=500).fit(x, names)
    engine = SklearnEngine()
    assert engine.load(config(dumped(model, tmp_path))).outputs[0].datatype == "BYTES"
    assert engine.predict({"x": x[:3]})["label"].tolist() == [name.encode() for name in names[:3]]


def test_a_model_of_texts_takes_texts(tmp_path: Path) -> None:
    texts = ["good wine", "fine wine", "bad beer", "poor beer"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["wine", "wine", "beer", "beer"])
    path = dumped(model, tmp_path)
    types = skops.io.get_untrusted_types(file=path)
    with pytest.raises(StartError, match="how many features") as caught:
        SklearnEngine().load(config(path, trusted=types))
    assert "text: true" in caught.value.hint
    engine = SklearnEngine()
    signature = engine.load(config(path, trusted=types, text=True))
    assert (signature.inputs[0].datatype, signature.inputs[0].shape) == ("BYTES", (-1,))
    given = np.array([b"a wine", b"one beer"], object)
    assert engine.predict({"x": given})["label"].tolist() == [b"wine", b"beer"]
    with pytest.raises(Unprocessable, match="UTF-8"):
        engine.predict({"x": np.array([b"\xff"], object)})


def test_a_value_that_the_model_cannot_take_is_the_client_s_fault(tmp_path: Path) -> None:
    engine = SklearnEngine()
    engine.load(config(dumped(KernelRidge().fit(*patients()), tmp_path)))
    with pytest.raises(Unprocessable, match="NaN"):
        engine.predict({"x": np.full((1, 10), np.nan)})


def test_a_model_that_cannot_answer_new_rows_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="does not answer a row of zeros"):
        SklearnEngine().load(config(dumped(DBSCAN().fit(irises()[0]), tmp_path)))
