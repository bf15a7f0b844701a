"""Execution providers: the one that is asked for, or a clear error; a GPU is not needed for that."""

from pathlib import Path
from typing import Any

import pytest

from modelwright.adapters.engines.onnx_providers import (
    CPU,
    CUDA,
    TENSORRT,
    Providers,
    check_taken,
    check_there,
    providers_of,
)
from modelwright.adapters.engines.onnxruntime import OnnxRuntimeEngine
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import EngineConfig
from tests.making.onnx_models import double


def config(**more: Any) -> EngineConfig:
    return EngineConfig(model="m", path="/m.onnx", **more)


def settings(wanted: Providers, name: str) -> dict[str, Any]:
    return dict(wanted)[name]


def test_the_device_chooses_the_provider() -> None:
    assert providers_of(config(), "") == [(CPU, {})]
    wanted = providers_of(config(device="cuda:2"), "")
    assert [name for name, _ in wanted] == [CUDA]
    assert settings(wanted, CUDA)["device_id"] == "2"


def test_a_part_of_a_gpu_is_a_bound_of_its_arena() -> None:
    wanted = providers_of(config(device="cuda:0", gpu_memory=1 << 30), "")
    assert settings(wanted, CUDA)["gpu_mem_limit"] == str(1 << 30)
    assert "gpu_mem_limit" not in settings(providers_of(config(device="cuda:0"), ""), CUDA)


def test_f32_is_no_tf32() -> None:
    assert settings(providers_of(config(device="cuda"), ""), CUDA)["use_tf32"] == "0"


@pytest.mark.parametrize(("precision", "f16", "bf16"), [("f32", "0", "0"), ("f16", "1", "0"), ("bf16", "0", "1")])
def test_tensorrt_computes_as_it_is_told_and_keeps_what_it_builds(precision: str, f16: str, bf16: str) -> None:
    wanted = providers_of(config(device="cuda:0", precision=precision), "tensorrt", cache="/built")
    assert [name for name, _ in wanted] == [TENSORRT, CUDA]
    found = settings(wanted, TENSORRT)
    assert (found["trt_fp16_enable"], found["trt_bf16_enable"]) == (f16, bf16)
    assert (found["trt_engine_cache_enable"], found["trt_engine_cache_path"]) == ("1", "/built")


@pytest.mark.parametrize(
    ("provider", "more", "words"),
    [
        ("tensorrt", {}, "'tensorrt' does not run on 'cpu'"),
        ("cpu", {"device": "cuda:0"}, "'cpu' does not run on 'cuda:0'"),
        ("", {"device": "cuda:0", "precision": "f16"}, "stored in it, not in f16"),
    ],
)
def test_what_does_not_go_together_is_refused(provider: str, more: dict[str, Any], words: str) -> None:
    with pytest.raises(StartError, match=words):
        providers_of(config(**more), provider)


def test_a_provider_that_was_not_started_is_no_reason_to_take_another() -> None:
    asked = config(device="cuda:0")
    wanted = providers_of(asked, "")
    check_there(asked, wanted, available=[CUDA, CPU])
    check_taken(asked, wanted, taken=[CUDA, CPU])
    with pytest.raises(StartError, match=f"could not start {CUDA} and took {CPU} instead") as caught:
        check_taken(asked, wanted, taken=[CPU])
    assert caught.value.place == "model m.engine.device"


@pytest.mark.parametrize("options", [{}, {"provider": "tensorrt"}])
def test_without_its_build_a_gpu_is_a_clear_error(tmp_path: Path, options: dict[str, Any]) -> None:
    path = double(tmp_path / "m.onnx")
    with pytest.raises(StartError, match=r"this ONNX Runtime has no .*it has .*CPUExecutionProvider") as caught:
        OnnxRuntimeEngine().load(EngineConfig(model="m", path=str(path), device="cuda:0", options=options))
    assert "onnxruntime-gpu" in caught.value.hint


def test_a_device_of_another_vendor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="does not run on 'gpu:0'"):
        OnnxRuntimeEngine().load(EngineConfig(model="m", path=str(double(tmp_path / "m.onnx")), device="gpu:0"))


def test_an_unknown_provider_is_refused(tmp_path: Path) -> None:
    path = str(double(tmp_path / "m.onnx"))
    with pytest.raises(StartError, match="provider is 'gpu'"):
        OnnxRuntimeEngine().load(EngineConfig(model="m", path=path, options={"provider": "gpu"}))
