"""How requests wait, in the manifest: levels and their bounds."""

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.app.parts import LevelsPart, PartSpec
from modelwright.app.supervise.plan import plan_units
from tests.unit.app.manifest.conftest import Write

COMMON = PartSpec(name="", kind="", runtime="", state="", base="", environment="test")
HERE = "models.m.batching.priorities"


def text(rule: str, source: str = "digits.onnx") -> str:
    return f"models: {{m: {{source: ./{source}, batching: {{queue_rows: 64, priorities: {rule}}}}}}}"


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ("{levels: 3}", LevelsPart(count=3, default=3, patience=16)),
        (
            "{levels: 3, default: 1, patience: 2, queue_rows: {3: 8, '1': 64}}",
            LevelsPart(count=3, default=1, patience=2, queue_rows={3: 8, 1: 64}),
        ),
    ],
)
def test_worker_is_handed_the_levels(write: Write, rule: str, part: LevelsPart) -> None:
    (unit,) = plan_units(load_manifest(write(text(rule)), env={}), common=COMMON, cores=1)
    assert unit.spec.model is not None
    assert unit.spec.model.levels == part


@pytest.mark.parametrize(
    ("rule", "place", "problem"),
    [
        ("{levels: 1}", "levels", ""),
        ("{}", "", "`levels` is missing"),
        ("{levels: 2, default: 3}", "default", "is 3, and there are 2 levels"),
        ("{levels: 2, queue_rows: {3: 8}}", "queue_rows.3", "there are 2 levels"),
        ("{levels: 2, queue_rows: {2: 65}}", "queue_rows.2", "is 65, and 64 rows of the model may wait in all"),
        ("{levels: 2, queue_rows: {2: 0}}", "queue_rows.2", "is 0"),
    ],
)
def test_levels_that_mean_nothing_are_refused(write: Write, rule: str, place: str, problem: str) -> None:
    (fault,) = check_manifest(write(text(rule)), env={}).faults
    assert fault.key == (f"{HERE}.{place}" if place else HERE)
    assert problem in fault.problem
    assert fault.remedy


def test_text_models_have_no_levels(write: Write) -> None:
    (fault,) = check_manifest(write(text("{levels: 2}", "chat.gguf")), env={}).faults
    assert (fault.key, fault.remedy) == (HERE, "remove it")


@pytest.mark.parametrize(
    ("models", "faults"),
    [
        ("m: {source: ./digits.onnx, batching: {tune: auto}}", []),
        ("m: {source: ./chat.gguf, batching: {tune: off}}", []),
        ("m: {engine: {kind: 'python:models:Norm'}, batching: {tune: auto}}", []),
        ("m: {source: ./chat.gguf, batching: {tune: auto}}", ["models.m.batching.tune"]),
        (
            "d: {source: ./digits.onnx}, m: {batching: {tune: auto}, pipeline: {steps: {a: {model: d}}}}",
            ["models.m.batching.tune"],
        ),
    ],
)
def test_only_tensor_models_are_tuned(write: Write, models: str, faults: list[str]) -> None:
    path = write(f"models: {{{models}}}")
    assert [fault.key for fault in check_manifest(path, env={}).faults] == faults
