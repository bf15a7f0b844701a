"""What the engines of trees read from files: kinds of models, early stopping, files that are cut anywhere."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from modelwright.adapters.engines.lightgbm import LightGBMEngine
from modelwright.adapters.engines.xgboost import XGBoostEngine
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig
from tests.making.trained_models import (
    Trained,
    irises,
    lightgbm_irises,
    lightgbm_patients,
    lightgbm_tumours,
    patients,
    tumours,
    xgboost_patients,
    xgboost_tumours,
)


def config(path: Path, **more: object) -> EngineConfig:
    return EngineConfig(model="m", path=str(path), options=more)


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_xgboost_of_two_classes_that_stopped_early_uses_the_best_trees(tmp_path: Path, suffix: str) -> None:
    made = xgboost_tumours(tmp_path / f"tumours.{suffix}")
    engine = XGBoostEngine()
    signature = engine.load(config(made.path))
    assert [(spec.name, spec.shape) for spec in signature.outputs] == [("label", (-1,)), ("probabilities", (-1, 2))]
    x = tumours()[0].astype(np.float32)
    answer = engine.predict({"x": x})
    np.testing.assert_allclose(answer["probabilities"], made.probabilities(x), rtol=1e-6)
    np.testing.assert_array_equal(answer["label"], made.labels(x))
    booster = xgboost.Booster(model_file=made.path)
    engine.load(config(made.path, iterations="all"))
    every = engine.predict({"x": x})["probabilities"][:, 1]
    np.testing.assert_allclose(every, booster.predict(xgboost.DMatrix(x)), rtol=1e-6)
    assert np.abs(every - answer["probabilities"][:, 1]).max() > 1e-3


@pytest.mark.parametrize("booster", ["gbtree", "gblinear", "dart"])
@pytest.mark.filterwarnings("ignore:.*updater")
def test_xgboost_of_every_booster_predicts(tmp_path: Path, booster: str) -> None:
    made = xgboost_patients(tmp_path / "patients.json", booster=booster)
    engine = XGBoostEngine()
    signature = engine.load(config(made.path))
    assert [(spec.name, spec.shape) for spec in signature.outputs] == [("prediction", (-1,))]
    x = patients()[0].astype(np.float32)
    np.testing.assert_allclose(engine.predict({"x": x})["prediction"], made.probabilities(x), rtol=1e-6)


def test_xgboost_that_tells_the_class_alone_gives_probabilities_too(tmp_path: Path) -> None:
    x, y = irises()
    booster = xgboost.train({"objective": "multi:softmax", "num_class": 3}, xgboost.DMatrix(x, y), 5)
    booster.save_model(tmp_path / "m.ubj")
    engine = XGBoostEngine()
    engine.load(config(tmp_path / "m.ubj"))
    answer = engine.predict({"x": x.astype(np.float32)})
    np.testing.assert_array_equal(answer["label"], booster.predict(xgboost.DMatrix(x.astype(np.float32))))
    np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, rtol=1e-5)


def test_xgboost_of_several_targets_gives_as_many_values(tmp_path: Path) -> None:
    x, y = patients()
    model = xgboost.XGBRegressor(n_estimators=5).fit(x, np.stack([y, -y], axis=1))
    model.get_booster().save_model(tmp_path / "m.json")
    engine = XGBoostEngine()
    signature = engine.load(config(tmp_path / "m.json"))
    assert signature.outputs[0].shape == (-1, 2)
    given = x.astype(np.float32)
    np.testing.assert_allclose(engine.predict({"x": given})["prediction"], model.predict(given), rtol=1e-6)


def test_xgboost_of_several_labels_gives_the_probability_of_each(tmp_path: Path) -> None:
    x, y = irises()
    model = xgboost.XGBClassifier(n_estimators=5).fit(x, np.stack([y == 0, y < 2], axis=1).astype(int))
    model.get_booster().save_model(tmp_path / "m.json")
    engine = XGBoostEngine()
    signature = engine.load(config(tmp_path / "m.json"))
    assert [(spec.name, spec.shape) for spec in signature.outputs] == [("prediction", (-1, 2))]
    given = x.astype(np.float32)
    np.testing.assert_allclose(engine.predict({"x": given})["prediction"], model.predict_proba(given), rtol=1e-6)


def test_xgboost_s_categories_are_the_numbers_of_training(tmp_path: Path) -> None:
    x = np.stack([np.arange(60) % 4, np.arange(60) % 7], axis=1)
    frame = pd.DataFrame({"kind": pd.Categorical(x[:, 0]), "size": x[:, 1].astype(float)})
    model = xgboost.XGBRegressor(n_estimators=5, enable_categorical=True).fit(frame, (x[:, 0] == 2) * 3.0 + x[:, 1])
    model.get_booster().save_model(tmp_path / "m.ubj")
    engine = XGBoostEngine()
    engine.load(config(tmp_path / "m.ubj"))
    answer = engine.predict({"x": x.astype(np.float32)})["prediction"]
    np.testing.assert_allclose(answer, model.predict(frame), rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lightgbm_irises, ["label", "probabilities"]),
        (lightgbm_tumours, ["label", "probabilities"]),
        (lightgbm_patients, ["prediction"]),
    ],
)
def test_lightgbm_answers_as_the_library(tmp_path: Path, make: Callable[[Path], Trained], names: list[str]) -> None:
    made = make(tmp_path / "m.txt")
    engine = LightGBMEngine()
    signature = engine.load(config(made.path))
    assert [spec.name for spec in signature.outputs] == names
    x = np.random.default_rng(0).normal(size=(50, signature.inputs[0].shape[1]))
    x[0] = np.nan
    answer = engine.predict({"x": x})
    np.testing.assert_allclose(answer[names[-1]], made.probabilities(x), rtol=1e-6)
    assert answer[names[-1]].shape == (50, *signature.outputs[-1].shape[1:])


@pytest.mark.parametrize("part", ["head", "tree", "last tree", "parameters"])
def test_lightgbm_s_file_is_read_to_its_end_before_the_library_sees_it(tmp_path: Path, part: str) -> None:
    """The library ends the process when a file is cut in a tree or in its parameters."""
    made = lightgbm_irises(tmp_path / "m.txt")
    text = made.path.read_text()
    where = {"head": "tree_sizes", "tree": "Tree=3", "last tree": "end of trees", "parameters": "[num_leaves"}[part]
    made.path.write_text(text[: text.index(where) - 1])
    with pytest.raises(BadModelFile, match="cut short"):
        LightGBMEngine().load(config(made.path))


@pytest.mark.parametrize("engine", [XGBoostEngine, LightGBMEngine])
def test_what_an_engine_cannot_do_is_refused_at_the_start(
    tmp_path: Path, engine: type[XGBoostEngine | LightGBMEngine]
) -> None:
    path = tmp_path / "none"
    with pytest.raises(StartError, match="not in bf16"):
        engine().load(EngineConfig(model="m", path=str(path), precision="bf16"))
    with pytest.raises(StartError, match="'cuda:0'"):
        engine().load(EngineConfig(model="m", path=str(path), device="cuda:0"))
    with pytest.raises(StartError, match="no option 'trees'"):
        engine().load(config(path, trees=3))


def test_the_library_s_words_come_without_its_frames(tmp_path: Path) -> None:
    made = xgboost_patients(tmp_path / "m.json")
    engine = XGBoostEngine()
    engine.load(config(made.path))
    with pytest.raises(Unprocessable, match="Number of columns") as caught:
        engine.predict({"x": np.ones((2, 3), np.float32)})
    assert "bt" not in caught.value.message


def ubjson_length(count: int) -> bytes:
    return b"L" + struct.pack(">q", count)


LEARNER = b"{" + ubjson_length(7) + b"learner"
NESTED = {
    "JSON lists": b'{"learner":' + b"[" * 200_000,
    "JSON objects": b'{"learner":' + b'{"a":' * 200_000,
    "JSON that ends": b'{"learner":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "UBJSON lists": LEARNER + b"[" * 200_000,
    "UBJSON objects": LEARNER + (b"{" + ubjson_length(1) + b"a") * 200_000,
    "UBJSON counted lists": LEARNER + (b"[#" + ubjson_length(1)) * 200_000,
}
LYING = {
    f"{what} {count}": LEARNER + before + ubjson_length(count)
    for count in (2**62, 2**40, -1)
    for what, before in (("numbers", b"[$d#"), ("elements", b"[#"), ("text", b"S"), ("key", b"{"))
}


@pytest.mark.parametrize("content", NESTED.values(), ids=NESTED)
def test_xgboost_s_files_of_endless_depth_are_refused_before_the_library_sees_them(
    tmp_path: Path, content: bytes
) -> None:
    """The library ends the process."""
    path = tmp_path / "m"
    path.write_bytes(content)
    with pytest.raises(BadModelFile, match="more than 64 objects and lists are in each other") as caught:
        XGBoostEngine().load(config(path))
    assert str(path) in caught.value.message
    assert "save_model" in caught.value.hint


@pytest.mark.parametrize("content", LYING.values(), ids=LYING)
def test_xgboost_s_files_that_lie_of_lengths_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(BadModelFile, match=r"at byte \d+ stands the length"):
        XGBoostEngine().load(config(tmp_path / "m"))


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_xgboost_s_files_cut_at_every_tenth_are_refused(tmp_path: Path, suffix: str) -> None:
    """The library would hang at some, and end the process at others."""
    path = xgboost_patients(tmp_path / f"m.{suffix}").path
    whole = path.read_bytes()
    for tenth in range(10):
        path.write_bytes(whole[: len(whole) * tenth // 10])
        with pytest.raises(BadModelFile, match="cannot be read as an XGBoost model"):
            XGBoostEngine().load(config(path))


LEADING_ASTRAY: dict[str, Callable[[Any, Any], None]] = {
    "child beyond the tree": lambda tree, _: tree["left_children"].__setitem__(0, 10**8),
    "child that is its parent": lambda tree, _: tree["right_children"].__setitem__(0, 0),
    "child before the tree": lambda tree, _: tree["left_children"].__setitem__(0, -7),
    "parent beyond the tree": lambda tree, _: tree["parents"].__setitem__(1, 10**8),
    "feature that there is not": lambda tree, _: tree["split_indices"].__setitem__(0, 10**8),
    "fewer parents": lambda tree, _: tree["parents"].pop(),
    "class that there is not": lambda _, model: model["tree_info"].__setitem__(0, 10**6),
    "category that there is not": lambda tree, _: tree.update(
        categories=[1], categories_nodes=[0], categories_segments=[0], categories_sizes=[9]
    ),
    "number that is none": lambda tree, _: tree["left_children"].__setitem__(0, "x"),
}


@pytest.mark.parametrize("change", LEADING_ASTRAY.values(), ids=LEADING_ASTRAY)
def test_xgboost_s_trees_that_lead_astray_are_refused(tmp_path: Path, change: Callable[[Any, Any], None]) -> None:
    """The library would end the process, at once or with the first rows."""
    path = xgboost_patients(tmp_path / "m.json").path
    document = json.loads(path.read_bytes())
    model = document["learner"]["gradient_booster"]["model"]
    change(model["trees"][3], model)
    path.write_text(json.dumps(document))
    with pytest.raises(BadModelFile, match="cannot be read as an XGBoost model"):
        XGBoostEngine().load(config(path))


def test_xgboost_s_numbers_that_json_does_not_know_are_read(tmp_path: Path) -> None:
    path = xgboost_patients(tmp_path / "m.json").path
    document = json.loads(path.read_bytes())
    document["learner"]["gradient_booster"]["model"]["trees"][0]["loss_changes"][0] = float("nan")
    path.write_text(json.dumps(document))
    assert XGBoostEngine().load(config(path)).outputs[0].name == "prediction"
