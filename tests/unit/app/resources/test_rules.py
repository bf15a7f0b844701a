"""What models may want of a machine, and what is said where that means nothing or is not there."""

from typing import Any

import pytest

from modelwright.app.manifest.load import check_manifest
from modelwright.app.manifest.rules.case import Case
from modelwright.app.manifest.schema import Manifest
from modelwright.app.resources.rules import RULES, warnings
from modelwright.core.resources.machine import Gpu, Machine
from tests.unit.app.manifest.conftest import folder, write

__all__ = ["folder", "write"]

GIB = 1 << 30
BARE = Machine(cpus=(0, 1), cores=2, memory=8 * GIB)
TWO = Machine(cpus=(0, 1, 2, 3), cores=4, memory=64 * GIB, gpus=(Gpu(id="a", memory=16 * GIB), Gpu(id="b")))
ONE = {"source": "x", "engine": {"kind": "onnxruntime"}}
BY_HAND = {"source": "x", "engine": {"kind": "torch", "device": "cuda:0"}}
LLM = {"source": "x", "engine": {"kind": "vllm"}}


def case(machine: Machine | None, **models: Any) -> Case:
    manifest = Manifest.model_validate({"schema": 1, "name": "test", "models": models})
    return Case(manifest=manifest, environment="test", kinds={}, files={}, machine=machine)


def found(machine: Machine | None, **models: Any) -> list[tuple[str, str]]:
    each = [finding for rule in RULES for finding in rule(case(machine, **models))]
    assert all(finding.remedy for finding in each)
    return [(".".join(map(str, finding.path[1:])), finding.problem) for finding in each]


def wants(model: dict[str, Any] = ONE, engine: dict[str, Any] | None = None, **resources: Any) -> dict[str, Any]:
    return {**model, "engine": {**model["engine"], **(engine or {})}, "resources": resources}


@pytest.mark.parametrize(
    ("machine", "models"),
    [
        (BARE, {"m": wants(cpu=2, memory="8Gi")}),
        (BARE, {"m": wants(cpu=0.5), "n": {**wants(cpu=2), "scale": {"min": 4}}}),
        (BARE, {"m": wants({**ONE, "placement": {"group": "g"}}, cpu=1, memory="1Gi")}),
        (TWO, {"m": wants(gpu=1), "n": wants(LLM, gpu=1)}),
        (TWO, {"m": wants(LLM, gpu=2)}),
        (TWO, {"m": wants(engine={"device": "cuda:0"}, gpu=1)}),
        (TWO, {"m": wants(LLM, engine={"device": "cuda:1"}, gpu=2)}),
        (TWO, {"m": wants(gpu_memory="8Gi"), "n": wants(gpu_memory="8Gi"), "o": wants(gpu=1)}),
        (TWO, {"m": {**wants(gpu=1), "scale": {"min": 2}}}),
        (TWO, {"m": {**wants(gpu=1), "scale": {"min": 0, "max": 9}}}),
        (TWO, {"m": wants(engine={"kind": "python:app:Model"}, gpu=2)}),
        (None, {"m": wants(LLM, cpu=1000, memory="900Ti", gpu=8)}),
    ],
)
def test_what_is_right(machine: Machine | None, models: dict[str, Any]) -> None:
    assert found(machine, **models) == []


@pytest.mark.parametrize(
    ("machine", "models", "place", "problem"),
    [
        (BARE, {"m": wants(cpu=3)}, "m.resources.cpu", "3 processors are wanted, and this machine lets us use 2"),
        (BARE, {"m": wants(memory="9Gi")}, "m.resources.memory", "9.0 GiB are wanted, and this machine lets us use"),
        (BARE, {"m": wants(gpu=1)}, "m.resources.gpu", "this machine has 0 GPUs, and m wants 1"),
        (
            BARE,
            {"m": wants(gpu_memory="1Gi")},
            "m.resources.gpu_memory",
            "this machine has 0 GPUs, and m wants 1.0 GiB",
        ),
        (TWO, {"m": wants(LLM, gpu=3)}, "m.resources.gpu", "this machine has 2 GPUs, and m wants 3"),
        (TWO, {"m": wants(gpu_memory="17Gi")}, "m.resources.gpu_memory", "of which the largest has 16 GiB"),
        (TWO, {"m": wants(LLM, gpu=2), "n": wants(gpu=1)}, "n.resources.gpu", "the models before it leave too little"),
        (TWO, {"m": {**wants(gpu=1), "scale": {"min": 3}}}, "m.resources.gpu", "leave too little of this machine's 2"),
        (TWO, {"m": wants(gpu=1, gpu_memory="1Gi")}, "m.resources.gpu_memory", "stands beside `gpu`"),
        (TWO, {"m": wants(gpu=2)}, "m.resources.gpu", "onnxruntime computes on one GPU, and 2 are asked for"),
        (TWO, {"m": wants(engine={"kind": "openvino"}, gpu=1)}, "m.resources.gpu", "openvino computes on no NVIDIA"),
        (TWO, {"m": wants(engine={"device": "cpu"}, gpu=1)}, "m.engine.device", "is 'cpu', and `resources` asks"),
        (TWO, {"m": wants(engine={"device": "cuda:1"}, gpu=1)}, "m.engine.device", "are counted from cuda:0"),
        (TWO, {"m": wants({**ONE, "placement": {"group": "g"}}, gpu=1)}, "m.resources.gpu", "m is in 'g'"),
        (TWO, {"m": wants(engine={"threads": 3}, cpu=1.5)}, "m.engine.threads", "3 threads on 2 processors"),
    ],
)
def test_what_means_nothing_or_is_not_there_is_refused(
    machine: Machine, models: dict[str, Any], place: str, problem: str
) -> None:
    ((where, words),) = found(machine, **models)
    assert where == place
    assert problem in words


def test_a_system_that_does_not_tell_memory_bounds_none() -> None:
    machine = Machine(cores=2, memory=GIB, tells_memory=False)
    ((place, problem),) = found(machine, m=wants(memory="1Mi"))
    assert (place, "does not say how much memory" in problem) == ("m.resources.memory", True)


def test_a_group_says_it_whole_or_not_at_all() -> None:
    group = {**ONE, "placement": {"group": "g"}}
    assert found(BARE, m=wants(group, cpu=1), n=wants(group, cpu=0.5)) == []
    ((place, problem),) = found(BARE, m=wants(group, memory="1Gi"), n=group)
    assert (place, "n says no `memory`" in problem) == ("m.resources.memory", True)


def test_a_pipeline_has_a_gpu_for_a_step_that_uses_one() -> None:
    steps = {"pipeline": {"steps": {"one": {"model": "m"}}}, "resources": {"gpu": 1}}
    assert found(TWO, m={**ONE, "engine": {"kind": "onnxruntime", "device": "cuda:0"}}, p=steps) == []
    ((place, problem),) = found(TWO, m=ONE, p=steps)
    assert (place, problem) == ("p.resources.gpu", "no step of it computes on a GPU")


@pytest.mark.parametrize(
    ("machine", "models", "place", "problem"),
    [
        (BARE, {"m": wants(cpu=2), "n": wants(cpu=0.5)}, "n.resources.cpu", "want 2.5 processors, and 2 are there"),
        (BARE, {"m": {**wants(cpu=1), "scale": {"max": 3}}}, "m.resources.cpu", "want 3 processors"),
        (BARE, {"m": wants(memory="5Gi"), "n": wants(memory="4Gi")}, "n.resources.memory", "may hold 9.0 GiB"),
        (TWO, {"m": {**wants(gpu=1), "scale": {"max": 3}}}, "m.resources", "as many replicas as m may have"),
        (TWO, {"m": wants(gpu=1), "n": BY_HAND}, "n.engine.device", "takes a GPU by hand"),
    ],
)
def test_what_all_of_them_want_together_is_a_warning(
    machine: Machine, models: dict[str, Any], place: str, problem: str
) -> None:
    assert found(machine, **models) == []
    (finding,) = warnings(case(machine, **models))
    assert ".".join(map(str, finding.path[1:])) == place
    assert problem in finding.problem
    assert finding.remedy


def test_nothing_is_warned_of_when_it_fits() -> None:
    assert list(warnings(case(BARE, m=wants(cpu=99, memory="99Gi")))) == [], "that is a fault"
    assert list(warnings(case(BARE, m=wants(cpu=1, memory="1Gi"), n={**ONE, "scale": {"min": 9}}))) == []
    assert list(warnings(case(None, m=wants(cpu=1000)))) == []


def test_this_machine_is_looked_at_for_the_environment_that_is_asked_for(write: Any) -> None:
    model = "models: {digits: {source: ./digits.onnx, resources: {cpu: 1024}}}\n"
    (fault,) = check_manifest(write(model), env={}).faults
    assert fault.key == "models.digits.resources.cpu"
    assert fault.line == 3
    later = "environments: {production: {models: {digits: {resources: {cpu: 1024, gpu: 1}}}}}\n"
    other = check_manifest(write("models: {digits: {source: ./digits.onnx}}\n" + later), env={})
    assert other.faults == (), "that is another machine's"
