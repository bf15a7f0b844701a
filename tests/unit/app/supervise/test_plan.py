from pathlib import Path
from typing import Any

import pytest

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.sections.models import ScaleSection
from modelwright.app.parts import GrpcPart, PartSpec
from modelwright.app.supervise.plan import part_names, plan_parts, plan_units, scale_rule, share_threads
from modelwright.core.resources.wants import Wants

COMMON = PartSpec(
    name="", kind="", runtime="/run/mw", state="/srv/.modelwright", base="/srv", environment="test", release="sha256:1"
)


def manifest(**sections: Any) -> Manifest:
    return Manifest.model_validate({"schema": 1, "name": "shop", **sections})


def plan(found: Manifest, engines: dict[str, str], **options: Any) -> tuple[PartSpec, ...]:
    base = Path("/srv")
    loaded = LoadedManifest(
        manifest=found,
        path=base / "modelwright.yaml",
        base_dir=base,
        state_dir=base / ".modelwright",
        environment="test",
        digest="",
        engines=engines,
        operations={},
        off={},
        secrets=(),
        files=(),
    )
    *gateways, control = plan_parts(loaded, common=COMMON)
    crews: list[PartSpec] = []
    for unit in plan_units(loaded, common=COMMON, cores=4, **options):
        for _ in range(unit.replicas):
            crews.append(unit.replica({spec.name for spec in crews}))
    return (*gateways, *crews, control)


def test_one_part_per_gateway_worker_and_model_replica() -> None:
    found = manifest(models={"digits": {"source": "./digits.onnx", "scale": {"min": 2}}}, gateway={"workers": 2})
    parts = plan(found, {"digits": "onnxruntime"})
    names = ["gateway-0", "gateway-1", "serving-digits-0", "serving-digits-1", "control"]
    assert [part.name for part in parts] == names == part_names(found)
    assert [part.kind for part in parts] == ["gateway", "gateway", "serving", "serving", "control"]
    assert {(part.base, part.environment, part.release) for part in parts} == {("/srv", "test", "sha256:1")}


def test_the_grpc_door_is_a_part_that_knows_the_gateways_and_their_bounds() -> None:
    gateway = {"grpc": "127.0.0.1:0", "workers": 2, "max_body": "1MiB", "max_in_flight": 10}
    found = manifest(gateway=gateway)
    parts = plan(found, {})
    assert [part.name for part in parts] == ["grpc-0", "gateway-0", "gateway-1", "control"] == part_names(found)
    assert parts[0].kind == "grpc"
    assert parts[0].grpc == GrpcPart(gateways=("gateway-0", "gateway-1"), max_body=1 << 20, max_calls=20)
    assert not any(part.grpc for part in parts[1:])


def test_tensor_model_is_handed_its_file_bounds_and_check() -> None:
    section = {
        "source": "./models/digits.onnx",
        "digest": "sha256:" + "a" * 64,
        "batching": {"max_rows": 8, "queue_rows": 64, "queue_bytes": "1MiB"},
        "engine": {"threads": 3, "precision": "bf16", "options": {"toy": 1}},
    }
    part = plan(manifest(models={"digits": section}), {"digits": "onnxruntime"}, checks={"digits": "{}"})[1]
    assert part.model is not None
    assert part.model.path == "/srv/models/digits.onnx"
    assert part.model.digest == section["digest"]
    assert (part.model.wire, part.model.engine, part.model.check) == ("v2", "onnxruntime", "{}")
    assert (part.model.max_rows, part.model.queue_rows, part.model.queue_bytes) == (8, 64, 1 << 20)
    assert (part.model.threads, part.model.precision, part.model.options) == (3, "bf16", {"toy": 1})
    assert part.model.max_body == 32 << 20


def test_text_model_is_handed_its_context_cache_and_sequences() -> None:
    section = {
        "source": str(Path("/models/chat.gguf")),
        "engine": {"context": 512, "cache": "64MiB"},
        "batching": {"max_sequences": 4},
    }
    part = plan(manifest(models={"chat": section}), {"chat": "openvino-llm"})[1]
    assert part.model is not None
    assert part.model.wire == "openai"
    assert part.model.path == "/models/chat.gguf"
    assert part.model.options == {"context": 512, "cache": 64 << 20, "max_sequences": 4}
    assert part.model.max_sequences == 4


@pytest.mark.parametrize(
    ("cores", "asked", "shared"),
    [
        (2, {"a": 0, "b": 0}, {"a": 1, "b": 1}),
        (8, {"a": 0, "b": 0}, {"a": 4, "b": 4}),
        (8, {"a": 6, "b": 0}, {"a": 6, "b": 2}),
        (2, {"a": 4, "b": 0}, {"a": 4, "b": 1}),
        (8, {}, {}),
    ],
)
def test_models_share_the_cores_that_nobody_asked_for(
    cores: int, asked: dict[str, int], shared: dict[str, int]
) -> None:
    models = {name: {"source": "x", "engine": {"threads": threads}} for name, threads in asked.items()}
    assert share_threads(manifest(models=models), cores) == shared


def test_the_rule_of_a_model_is_the_manifests() -> None:
    scales = [{"min": 2}, {"min": 0, "idle": "5s"}, {"max": 3, "on": {"in_flight": 2, "latency": "500ms"}}]
    rules = [scale_rule(ScaleSection.model_validate(scale)) for scale in scales]
    assert [(rule.least, rule.most, rule.moves) for rule in rules] == [(2, 2, False), (0, 1, True), (1, 3, True)]
    assert (rules[1].idle, rules[2].in_flight, rules[2].latency) == (5.0, 2, 0.5)


@pytest.mark.parametrize("scale", [{"min": 3}, {"min": 1, "max": 3}])
def test_replicas_count_in_the_share_also_those_that_may_come(scale: dict[str, int]) -> None:
    models = {"a": {"source": "x", "scale": scale}, "b": {"source": "x"}}
    assert share_threads(manifest(models=models), 8) == {"a": 2, "b": 2}


def test_models_of_a_group_share_a_part_and_a_thread_of_the_machine() -> None:
    small = {"source": "x", "placement": {"group": "small"}}
    found = manifest(models={"a": small, "b": small, "c": {"source": "x"}})
    parts = plan(found, {"a": "onnxruntime", "b": "onnxruntime", "c": "onnxruntime"})
    assert [part.name for part in parts if part.kind == "serving"] == ["serving-c-0", "serving-small-0"]
    group = next(part for part in parts if part.group)
    assert [(model.model, model.threads) for model in group.models] == [("a", 1), ("b", 1)]
    assert share_threads(found, 4) == {"a": 1, "b": 1, "c": 3}
    assert part_names(found) == ["gateway-0", "serving-c-0", "serving-small-0", "control"]


def test_processors_are_threads_and_what_a_process_wants_is_told() -> None:
    resources = {"cpu": 1.5, "memory": "2Gi", "gpu": 1}
    found = manifest(models={"a": {"source": "x", "resources": resources}, "b": {"source": "x"}})
    assert share_threads(found, 8) == {"a": 2, "b": 6}
    a, b = (part for part in plan(found, {"a": "onnxruntime", "b": "onnxruntime"}) if part.kind == "serving")
    assert a.wants == Wants(cpu=1.5, memory=2 << 30, gpus=1)
    assert b.wants == Wants()
    assert [one.model.device for one in (a, b) if one.model] == ["cuda:0", "cpu"]


def test_a_group_wants_what_its_models_want_together() -> None:
    small = {"source": "x", "placement": {"group": "small"}, "resources": {"cpu": 0.5, "memory": "1Gi"}}
    found = manifest(models={"a": small, "b": small})
    (group,) = (part for part in plan(found, {"a": "onnxruntime", "b": "onnxruntime"}) if part.group)
    assert group.wants == Wants(cpu=1.0, memory=2 << 30)
    assert [model.threads for model in group.models] == [1, 1]


def test_a_step_computes_where_its_model_says_whatever_that_has_when_it_serves_itself() -> None:
    steps = {"pipeline": {"steps": {"one": {"model": "m"}}}}
    own = {"source": "x", "engine": {"kind": "onnxruntime"}, "resources": {"gpu": 1}}
    endpoint = {"variants": {"only": {"serve": "m"}}}
    found = manifest(models={"m": own, "p": steps}, endpoints={"e": endpoint})
    parts = {part.model.model: part.model for part in plan(found, {"m": "onnxruntime", "p": "pipeline"}) if part.model}
    assert parts["m"].device == "cuda:0"
    pipeline = parts["p"].pipeline
    assert pipeline is not None
    assert [step.model.device for step in pipeline.steps if step.model] == ["cpu"]
