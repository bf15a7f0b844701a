"""ONNX Runtime's execution providers: which are asked for, with what settings, and that no other one is taken instead.

Plain decisions on names and settings; CUDA's and TensorRT's were written by their documentation, and not tried here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import EngineConfig

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
NAMES = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}
_WITH_GPU = "pip uninstall onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]', or take engine.device: cpu"
Providers = list[tuple[str, dict[str, Any]]]


def providers_of(config: EngineConfig, provider: str, *, cache: str = "") -> Providers:
    """In the order in which they get nodes; `provider` is a key of NAMES, or empty for the device's own."""
    device, _, number = config.device.partition(":")
    chosen = provider or device
    if (chosen == "cpu") != (device == "cpu"):
        raise StartError(
            f"the provider {chosen!r} does not run on {config.device!r}",
            hint="set engine.device to cuda:0, or leave engine.options.provider out",
            place=f"model {config.model}.engine.options",
        )
    if config.precision != "f32" and chosen != "tensorrt":
        raise StartError(
            f"ONNX Runtime computes an ONNX file in the precision that is stored in it, not in {config.precision}",
            hint="leave engine.precision at f32, or convert the file",
            place=f"model {config.model}.engine.precision",
        )
    if chosen == "cpu":
        return [(CPU, {})]
    exact = str(int(config.precision != "f32"))
    # By default the library rounds the factors of products to 19 bits: f32 would be a word only.
    cuda = (CUDA, {"device_id": number or "0", "use_tf32": exact, "arena_extend_strategy": "kSameAsRequested"})
    if config.gpu_memory:
        cuda[1]["gpu_mem_limit"] = str(config.gpu_memory)
    return [(TENSORRT, _tensorrt(config, number or "0", cache=cache)), cuda] if chosen == "tensorrt" else [cuda]


def check_there(config: EngineConfig, wanted: Providers, *, available: Collection[str]) -> None:
    """Raise StartError for a provider that this build of ONNX Runtime does not have."""
    for name, _ in wanted:
        if name not in available:
            raise StartError(
                f"this ONNX Runtime has no {name}, it has {', '.join(available)}",
                hint=_WITH_GPU,
                place=f"model {config.model}.engine.device",
            )


def check_taken(config: EngineConfig, wanted: Providers, *, taken: Collection[str]) -> None:
    """Raise StartError when a session was made without a provider, as it is when its driver is missing."""
    for name, _ in wanted:
        if name not in taken:
            raise StartError(
                f"ONNX Runtime could not start {name} and took {', '.join(taken)} instead",
                hint="install the driver, CUDA, cuDNN and TensorRT that it was built for, or take engine.device: cpu",
                place=f"model {config.model}.engine.device",
            )


def _tensorrt(config: EngineConfig, number: str, *, cache: str) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "device_id": number,
        "trt_fp16_enable": str(int(config.precision == "f16")),
        "trt_bf16_enable": str(int(config.precision == "bf16")),
    }
    if cache:
        settings |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": cache}
    return settings
