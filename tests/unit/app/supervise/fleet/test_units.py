"""When processes of a model may stay as they are, and how new ones are numbered."""

from typing import Any

import msgspec
import pytest

from modelwright.app.parts import ModelPart, PartSpec
from modelwright.app.supervise.fleet.units import Unit, meant, unknown
from modelwright.core.scaling import ScaleRule

MODEL = ModelPart(
    model="digits", engine="onnxruntime", wire="v2", path="/srv/digits.onnx", threads=2, digest="sha256:1"
)
SPEC = PartSpec(
    name="", kind="serving", runtime="/run", state="/srv/s", base="/srv", environment="test", release="1", model=MODEL
)
UNIT = Unit(name="digits", spec=SPEC, shares=True)


def changed(**model: Any) -> Unit:
    spec = msgspec.structs.replace(SPEC, model=msgspec.structs.replace(MODEL, **model))
    return msgspec.structs.replace(UNIT, spec=spec)


@pytest.mark.parametrize(
    ("other", "stays"),
    [
        (msgspec.structs.replace(UNIT, scale=ScaleRule(least=3, most=9)), True),
        (msgspec.structs.replace(UNIT, scale=ScaleRule(least=0)), False),
        (msgspec.structs.replace(UNIT, spec=msgspec.structs.replace(SPEC, release="2", log_level="debug")), True),
        (changed(threads=1), True),
        (msgspec.structs.replace(changed(threads=1), shares=False), False),
        (changed(path="/srv/digits-2.onnx"), False),
        (changed(precision="bf16"), False),
        (changed(digest="sha256:2"), False),
        (changed(marks="written again"), True),
    ],
)
def test_processes_stay_unless_what_they_were_handed_changes(other: Unit, *, stays: bool) -> None:
    assert UNIT.is_as(other) is stays


def test_a_new_process_takes_the_first_free_number() -> None:
    assert UNIT.replica(set()).name == "serving-digits-0"
    assert UNIT.replica({"serving-digits-0", "gateway-0", "control"}).name == "serving-digits-1"
    assert UNIT.replica({"serving-digits-1", "serving-digits-2"}).name == "serving-digits-0"


def test_the_version_that_stands_first_may_be_named_like_the_others() -> None:
    second = msgspec.structs.replace(changed(version="v2"), name="digits@v2")
    units = {"digits": changed(version="v1"), "digits@v2": second}
    found = [meant(name, units) for name in ("digits", "digits@v1", "digits@v2", "digits@v3", "other@v1")]
    assert found == ["digits", "digits", "digits@v2", "digits@v3", "other@v1"]


def test_a_model_of_a_group_is_told_from_one_that_nobody_knows() -> None:
    group = Unit(name="small", spec=msgspec.structs.replace(SPEC, model=None, group=(MODEL,)))
    assert "shares the process of the group small" in unknown("digits", {"small": group})
    assert unknown("other", {"small": group}) == "there is no model 'other'; there is small"
