"""The calls that `modelwright up` prints for models without a `check`: each is pasted into a shell and answered 200."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import patient
from tests.e2e.running import Site, paste_calls, running

pytestmark = pytest.mark.e2e

CLASSES = """
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, Field

from modelwright import Tensor


class Address(BaseModel):
    street: str
    number: int = Field(ge=10)


class Parcel(BaseModel):
    to: Address
    size: Literal["small", "large"]
    weights: list[float] = Field(min_length=2)
    code: str = Field(pattern="^[A-Z]{3}$", examples=["ABC"])
    note: str | None = None


class Post:
    def predict(self, parcel: Parcel) -> dict:
        return {"to": parcel.to.street, "number": parcel.to.number, "code": parcel.code}


class Norm:
    inputs = {"x": Tensor("FP32", -1, 3), "mask": Tensor("BOOL", -1)}
    outputs = {"norm": Tensor("FP32", -1)}

    def predict(self, x, mask):
        return np.linalg.norm(x, axis=1)
"""
MANIFEST = """
schema: 1
name: first
models:
  talker: {source: ./toy-text.json, engine: {kind: toy-text}}
  broken: {engine: {kind: "python:classes:Nowhere"}}
  post: {engine: {kind: "python:classes:Post"}}
  wide: {source: ./wide.json, engine: {kind: toy-tensor}}
"""


def ready(site: Site, *models: str) -> bool:
    return all(site.call("GET", f"/v2/models/{model}/ready").status == 200 for model in models)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("first")
    (folder / "classes.py").write_text(CLASSES)
    (folder / "wide.json").write_text('{"toy": 1, "columns": 5000}')
    (folder / "toy-text.json").write_text("{}")
    with running(MANIFEST, folder=folder, ready=False) as started:
        patient(lambda: ready(started, "post", "wide"), waiting_for="the models")
        yield started


def test_calls_are_made_of_what_models_say_of_themselves(site: Site) -> None:
    answers = paste_calls(site)
    assert list(answers) == ["/v1/chat/completions", "/v2/models/wide/infer", "/predict/post"]
    assert answers["/v1/chat/completions"].rstrip().endswith("data: [DONE]")
    outputs: dict[str, Any] = {each["name"]: each for each in json.loads(answers["/v2/models/wide/infer"])["outputs"]}
    assert outputs["y"]["shape"] == [1, 5000]
    assert json.loads(answers["/predict/post"]) == {"to": "hello", "number": 10, "code": "ABC"}
    assert not any("broken" in line for line in site.commands)


def test_a_class_of_tensors_is_called_with_fitting_arrays(tmp_path: Path) -> None:
    (tmp_path / "classes.py").write_text(CLASSES)
    manifest = 'schema: 1\nname: first\nmodels: {norm: {engine: {kind: "python:classes:Norm"}}}\n'
    with running(manifest, folder=tmp_path) as site:
        patient(lambda: ready(site, "norm"), waiting_for="the model")
        call = f"""curl {site.public}/predict/norm -H "X-API-Key: $KEY" -d '{{"x":[[0,0,0]],"mask":[false]}}'"""
        assert site.commands[1] == call
        assert json.loads(paste_calls(site)["/predict/norm"]) == {"norm": [0.0]}
