"""Tensor engine: boosted trees in LightGBM's own text format, by the library that has made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import lightgbm
import msgspec

from modelwright.adapters.engines.checked import one_line, only_on, only_stored_precision, options_of, unreadable
from modelwright.adapters.engines.tree_answers import INPUT, classified, classifies, predicted, predicts, rows_of
from modelwright.core.errors.calls import EngineFailed, Unprocessable
from modelwright.core.ports.engines import Array, EngineConfig, Signature

_WITH_PROBABILITIES = ("binary", "multiclass", "multiclassova")
_REMEDY = "write it again by `save_model`; it may be cut short"


class LightGBMOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing yet: all that matters is in the file."""


class LightGBMEngine:
    """Input `x` FP64 [-1, features], NaN for a missing value; outputs `label` and `probabilities`, or `prediction`."""

    def __init__(self) -> None:
        self._booster: lightgbm.Booster | None = None
        self._answer: Callable[[Array], dict[str, Array]] = predicted
        self._threads = 1

    def load(self, config: EngineConfig) -> Signature:
        options_of(config, LightGBMOptions)
        only_stored_precision(config, "LightGBM computes in f64")
        only_on(config, ("cpu",), library="LightGBM")
        booster, head = _read(config)
        classifier = head.get("objective", "").partition(" ")[0] in _WITH_PROBABILITIES
        values = int(head.get("num_class", "1"))
        self._answer = classified if classifier else predicted
        self._threads = config.threads
        self._booster = booster
        return Signature(
            inputs=rows_of(booster.num_feature(), "FP64"),
            outputs=classifies(max(2, values), "FP64") if classifier else predicts(values, "FP64"),
            platform="lightgbm",
            precision="f64",
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._booster is None:
            raise EngineFailed("the model is not loaded")
        try:
            return self._answer(self._booster.predict(inputs[INPUT], num_threads=self._threads))  # pyright: ignore[reportArgumentType]
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise Unprocessable(
                f"LightGBM refuses these values: {one_line(error)}", hint="check their shape"
            ) from error

    def close(self) -> None:
        self._booster = None


def _read(config: EngineConfig) -> tuple[lightgbm.Booster, dict[str, str]]:
    try:
        text = Path(config.path).read_text("utf-8")
        head = _head(text)
        return lightgbm.Booster(model_str=text), head
    except (OSError, ValueError, lightgbm.basic.LightGBMError) as error:
        raise unreadable(config, "a LightGBM model", problem=one_line(error), remedy=_REMEDY) from error


def _head(text: str) -> dict[str, str]:
    """The lines before the trees, by name; raises ValueError when trees or parameters are cut short.

    The library would end the process.
    """
    first, _, trees = text.partition("\n\n")
    head = dict(line.split("=", 1) for line in first.splitlines() if "=" in line)
    if not text.startswith("tree\n") or "tree_sizes" not in head:
        raise ValueError("it does not begin with `tree` and the sizes of all trees")
    start, content = 0, trees.encode()
    for number, size in enumerate(head["tree_sizes"].split()):
        if not content[start:].startswith(b"Tree=%d\n" % number):
            raise ValueError(f"tree {number} is not where it should be")
        start += int(size)
    if not content[start:].startswith(b"end of trees\n"):
        raise ValueError("its trees do not end")
    if b"\nparameters:" in content and b"\nend of parameters" not in content:
        raise ValueError("its parameters do not end")
    return head
