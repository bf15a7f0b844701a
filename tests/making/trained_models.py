"""Models that the libraries of trees train on small real data on the spot, with the answers of the libraries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import msgspec
import numpy as np
import skops.io
import xgboost
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Matrix = NDArray[Any]
Answers = Callable[[Matrix], Matrix]


class Trained(msgspec.Struct, frozen=True):
    """A model's file, and what the library that has made it says."""

    path: Path
    probabilities: Answers
    """Of a classifier; otherwise its predictions."""

    def labels(self, x: Matrix) -> Matrix:
        """The most probable class of each row."""
        return self.probabilities(x).argmax(axis=1)


def irises() -> tuple[Matrix, Matrix]:
    """Four measures of 150 flowers of three kinds."""
    return _rows(load_iris())


def tumours() -> tuple[Matrix, Matrix]:
    """30 measures of 569 samples of two kinds."""
    return _rows(load_breast_cancer())


def patients() -> tuple[Matrix, Matrix]:
    """Ten measures of 442 patients, and how their disease went on."""
    return _rows(load_diabetes())


def xgboost_irises(path: Path) -> Trained:
    """A classifier of three kinds."""
    model = xgboost.XGBClassifier(n_estimators=10, max_depth=3, n_jobs=1).fit(*irises())
    model.get_booster().save_model(path)
    return Trained(path, model.predict_proba)


def xgboost_tumours(path: Path) -> Trained:
    """A classifier of two kinds that stops early: fewer trees are best than there are."""
    x, y = tumours()
    model = xgboost.XGBClassifier(n_estimators=200, learning_rate=1.0, early_stopping_rounds=5, n_jobs=1)
    model.fit(x[::2], y[::2], eval_set=[(x[1::2], y[1::2])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    model.get_booster().save_model(path)
    return Trained(path, model.predict_proba)


def xgboost_patients(path: Path, *, booster: str = "gbtree") -> Trained:
    """A regression."""
    model = xgboost.XGBRegressor(n_estimators=10, booster=booster, n_jobs=1).fit(*patients())
    model.get_booster().save_model(path)
    return Trained(path, model.predict)


def lightgbm_irises(path: Path) -> Trained:
    """A classifier of three kinds."""
    model = lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1).fit(*irises())
    return _lightgbm(model, path)


def lightgbm_tumours(path: Path) -> Trained:
    """A classifier of two kinds."""
    return _lightgbm(lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1).fit(*tumours()), path)


def lightgbm_patients(path: Path) -> Trained:
    """A regression."""
    return _lightgbm(lightgbm.LGBMRegressor(n_estimators=10, n_jobs=1, verbose=-1).fit(*patients()), path)


def sklearn_irises(path: Path) -> Trained:
    """A classifier of three kinds, in a skops file."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(*irises())
    skops.io.dump(model, path)
    return Trained(path, model.predict_proba)


def _rows(bunch: Any) -> tuple[Matrix, Matrix]:
    return bunch.data, bunch.target


def _lightgbm(model: Any, path: Path) -> Trained:
    booster: lightgbm.Booster = model.booster_
    booster.save_model(path)

    def answers(x: Matrix) -> Matrix:
        raw: Any = booster.predict(x)
        two = isinstance(model, lightgbm.LGBMClassifier) and raw.ndim == 1
        return np.stack([1 - raw, raw], axis=1) if two else raw

    return Trained(path, answers)
