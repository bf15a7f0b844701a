"""Tensor engine: boosted trees and linear models in XGBoost's own JSON or UBJSON, by the library that has made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import xgboost

from modelwright.adapters.engines.checked import one_line, only_on, only_stored_precision, options_of, unreadable
from modelwright.adapters.engines.tree_answers import INPUT, classified, classifies, predicted, predicts, rows_of
from modelwright.adapters.engines.xgboost_file import check_xgboost
from modelwright.core.errors.calls import EngineFailed, Unprocessable
from modelwright.core.ports.engines import Array, EngineConfig, Signature

_WITH_PROBABILITIES = ("binary:logistic", "multi:softprob", "multi:softmax")
_REMEDY = "write it again by `save_model` as .json or .ubj, with XGBoost 1.6 or newer; it may also be cut short"


class XGBoostOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the manifest may say."""

    iterations: Literal["best", "all"] = "best"
    """best: as many as early stopping has found best, as XGBClassifier and XGBRegressor do; all, as Booster does."""


class XGBoostEngine:
    """Input `x` FP32 [-1, features], NaN for a missing value; outputs `label` and `probabilities`, or `prediction`."""

    def __init__(self) -> None:
        self._booster: xgboost.Booster | None = None
        self._rounds = (0, 0)
        self._answer: Callable[[Array], dict[str, Array]] = predicted
        self._linear = False
        self._threads = 1

    def load(self, config: EngineConfig) -> Signature:
        options = options_of(config, XGBoostOptions)
        only_stored_precision(config, "XGBoost computes in f32")
        only_on(config, ("cpu",), library="XGBoost")
        booster = _read(config)
        booster.set_param({"nthread": config.threads})
        learner = msgspec.json.decode(booster.save_config())["learner"]
        shape, objective = learner["learner_model_param"], learner["objective"]["name"]
        self._rounds = (0, _best(booster)) if options.iterations == "best" else (0, 0)
        self._linear = learner["gradient_booster"]["name"] == "gblinear"
        self._threads = config.threads
        classes = max(2, int(shape["num_class"]))
        if objective == "multi:softmax":  # tells the label alone; the same model gives probabilities, too
            booster.set_param({"objective": "multi:softprob"})
        classifier = objective in _WITH_PROBABILITIES and int(shape["num_target"]) <= 1  # several: labels of their own
        self._answer = classified if classifier else predicted
        self._booster = booster
        return Signature(
            inputs=rows_of(booster.num_features(), "FP32"),
            outputs=classifies(classes, "FP32") if classifier else predicts(_values(shape), "FP32"),
            platform="xgboost",
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        booster = self._booster
        if booster is None:
            raise EngineFailed("the model is not loaded")
        try:
            return self._answer(self._raw(booster, inputs[INPUT]))
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise Unprocessable(f"XGBoost refuses these values: {_words(error)}", hint="check their ranges") from error

    def close(self) -> None:
        self._booster = None

    def _raw(self, booster: xgboost.Booster, x: Array) -> Array:
        if self._linear:  # the library has no quicker way for these
            return booster.predict(xgboost.DMatrix(x, nthread=self._threads), validate_features=False)
        return booster.inplace_predict(x, iteration_range=self._rounds, validate_features=False)


def _read(config: EngineConfig) -> xgboost.Booster:
    try:
        content = Path(config.path).read_bytes()
        if not content:  # the library would end the process
            raise unreadable(config, "an XGBoost model", problem="it is empty", remedy=_REMEDY)
        check_xgboost(content)
        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
    except (OSError, ValueError, xgboost.core.XGBoostError) as error:
        raise unreadable(config, "an XGBoost model", problem=_words(error), remedy=_REMEDY) from error
    return booster


def _best(booster: xgboost.Booster) -> int:
    """How many iterations early stopping has found best; 0: all."""
    found = booster.attr("best_iteration")
    return int(found) + 1 if found else 0


def _values(shape: Mapping[str, Any]) -> int:
    return max(int(shape["num_class"]), int(shape["num_target"]))


def _words(error: Exception) -> str:
    """The library's own words, without its clock, its source's place and its frames."""
    text = str(error).partition("Stack trace:")[0]
    return one_line(ValueError(text.partition("] ")[2].partition(": ")[2] if text.startswith("[") else text))
