"""Hostile tensors at every kind of engine, over V2's JSON and binary forms and plain JSON: no crash, no 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.e2e.clients import patient
from tests.e2e.running import Site, running
from tests.making import tflite_models
from tests.making.onnx_models import double, pick
from tests.making.openvino_models import converted
from tests.making.trained_models import lightgbm_irises, sklearn_irises, xgboost_irises, xgboost_patients

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: fuzzing
models:
  onnx: {source: ./double.onnx}
  pick: {source: ./pick.onnx}
  openvino: {source: ./ir.xml}
  tflite: {source: ./lite.tflite}
  xgboost: {source: ./irises.ubj}
  regression: {source: ./patients.json}
  lightgbm: {source: ./irises.txt}
  sklearn: {source: ./irises.skops}
gateway: {max_body: 1MiB}
"""
INPUTS = {
    "onnx": ("x", "FP32", 4),
    "pick": ("index", "INT64", 0),
    "openvino": ("x", "FP32", 4),
    "tflite": ("x", "FP32", 4),
    "xgboost": ("x", "FP32", 4),
    "regression": ("x", "FP32", 10),
    "lightgbm": ("x", "FP64", 4),
    "sklearn": ("x", "FP64", 4),
}
SIZES = {"FP32": 4, "FP64": 8, "INT64": 8, "INT32": 4, "FP16": 2, "BOOL": 1, "UINT8": 1, "BYTES": 5}
SETTINGS = settings(
    max_examples=120,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
numbers = st.one_of(
    st.integers(-3, 5),
    st.sampled_from([0, -1, 2**31, 2**63 - 1, -(2**63), 2**64, 10**30, 1e308, -1e308, 5e-324, 0.5]),
)
scalars = st.one_of(
    numbers, st.booleans(), st.none(), st.text(max_size=3), st.sampled_from(["NaN", "1", "\ud83d\ude00"])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5), max_leaves=12)
shapes = st.lists(
    st.one_of(st.integers(-2, 5), st.sampled_from([2**31, 2**63 - 1, -(2**63), 1 << 40, 2**70])), max_size=4
)
datatypes = st.sampled_from([*SIZES, "BF16", "UINT64", "", "fp32", "\u0000"])
models = st.sampled_from(sorted(INPUTS))
patterns = st.sampled_from(
    [
        b"\0",
        b"\xff",
        b"\x00\x00\xc0\x7f",
        b"\x00\x00\x80\xff",
        b"\x00\x00\x00\x00\x00\x00\xf8\x7f",
        b"\x7f",
        b"\x01\0\0\0a",
    ]
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("fuzzing")
    pick(folder / "pick.onnx")
    converted(double(folder / "double.onnx"), folder / "ir.xml")
    tflite_models.double(folder / "lite.tflite")
    xgboost_irises(folder / "irises.ubj")
    xgboost_patients(folder / "patients.json")
    lightgbm_irises(folder / "irises.txt")
    sklearn_irises(folder / "irises.skops")
    with running(MANIFEST, folder=folder) as site:
        patient(lambda: site.call("GET", "/v2/health/ready").status == 200, waiting_for="the gateway's workers")
        yield site
        assert site.call("GET", "/v2/health/ready").status == 200
        assert {part.restarts for part in site.watch().parts} == {0}
        assert [line for line in site.lines if "Traceback" in line] == []


@pytest.fixture(scope="module")
def session(site: Site) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.headers["authorization"] = f"Bearer {site.key}"
        yield opened


def judge(reply: requests.Response, *, plain: bool) -> None:
    assert reply.status_code in {200, 400, 404, 413, 422}, (reply.status_code, reply.content)
    if reply.status_code != 200:
        error = reply.json()["error"]
        words = error["message"] if plain else error
        assert isinstance(words, str)
        assert words
        assert "\n" not in words


@SETTINGS
@given(models, st.sampled_from(["", "", "other"]), st.sampled_from([None]) | datatypes, st.none() | shapes, values)
@example("xgboost", "", None, [1, 4], [float("nan"), float("inf"), -float("inf"), 1])
@example("lightgbm", "", None, [1, 4], [float("nan"), float("inf"), -float("inf"), 1])
@example("sklearn", "", None, [1, 4], [1e308, 1e308, 1e308, 1e308])
@example("sklearn", "", None, [0, 4], [])
@example("xgboost", "", None, [0, 4], [])
@example("lightgbm", "", None, [0, 4], [])
@example("tflite", "", None, [0, 4], [])
@example("openvino", "", None, [0, 4], [])
@example("onnx", "", None, [0, 4], [])
def test_hostile_json_is_the_clients_fault(
    site: Site,
    session: requests.Session,
    model: str,
    name: str,
    datatype: str | None,
    shape: list[int] | None,
    data: Any,
) -> None:
    known, right, columns = INPUTS[model]
    if shape is None:
        shape = [1, columns] if columns else [1]
    tensor = {"name": name or known, "datatype": datatype or right, "shape": shape, "data": data}
    body = json.dumps({"inputs": [tensor]}).encode()
    judge(session.post(f"{site.public}/v2/models/{model}/infer", body), plain=False)


@SETTINGS
@given(models, datatypes, st.integers(0, 4), st.integers(-1, 12), patterns, st.integers(-9, 9))
def test_hostile_bytes_are_the_clients_fault(
    site: Site,
    session: requests.Session,
    model: str,
    datatype: str,
    rows: int,
    columns: int,
    pattern: bytes,
    more: int,
) -> None:
    known, right, own = INPUTS[model]
    datatype, columns = (right, own) if more > 3 else (datatype, columns)
    size = max(0, SIZES.get(datatype, 4) * rows * max(columns, 1) + min(more, 0))
    shape = [rows, columns] if own else [rows]
    tensor = {"name": known, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).encode()
    content = (pattern * (size // len(pattern) + 1))[:size]
    headers = {"inference-header-content-length": str(len(head))}
    judge(session.post(f"{site.public}/v2/models/{model}/infer", head + content, headers=headers), plain=False)


@SETTINGS
@given(models, st.sampled_from(["", "", "", "other"]), values)
def test_hostile_plain_json_is_the_clients_fault(
    site: Site, session: requests.Session, model: str, name: str, data: Any
) -> None:
    body = json.dumps({name or INPUTS[model][0]: data}).encode()
    judge(session.post(f"{site.public}/predict/{model}", body), plain=True)


@SETTINGS
@given(models, st.lists(numbers, min_size=10, max_size=10), st.integers(0, 3))
def test_numbers_of_any_size_in_the_right_shape_are_answered_or_the_clients_fault(
    site: Site, session: requests.Session, model: str, row: list[float], rows: int
) -> None:
    name, datatype, columns = INPUTS[model]
    data = [row[:columns]] * rows if columns else [row[0]] * rows
    judge(session.post(f"{site.public}/predict/{model}", json.dumps({name: data}).encode()), plain=True)
    shape = [rows, columns] if columns else [rows]
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": data}
    body = json.dumps({"inputs": [tensor]}).encode()
    judge(session.post(f"{site.public}/v2/models/{model}/infer", body), plain=False)
