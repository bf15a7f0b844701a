"""Formats of boosted trees by content: XGBoost's JSON and UBJSON, LightGBM's text, CatBoost's own."""

from __future__ import annotations

import re
from typing import BinaryIO

_HEAD = 256
_JSON = re.compile(rb'\s*\{\s*"(learner|version)"\s*:\s*[\[{]')
_UBJSON = re.compile(rb"\{[iUIlL]\x00{0,7}[\x06\x07](learner|version)[\[{]", re.DOTALL)


def is_xgboost(file: BinaryIO) -> bool:
    """An object whose first member is `learner` or `version`, in JSON or UBJSON."""
    head = file.read(_HEAD)
    return bool(_UBJSON.match(head) or _JSON.match(head)) and (b"learner" in head or b"version" in head)


def is_lightgbm(file: BinaryIO) -> bool:
    """Its first two lines."""
    return re.match(rb"tree\r?\nversion=v\d", file.read(_HEAD)) is not None


def is_catboost(file: BinaryIO) -> bool:
    """Its magic number."""
    return file.read(4) == b"CBM1"
