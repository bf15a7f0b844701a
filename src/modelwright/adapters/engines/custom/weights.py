"""Weights for a class of the user's from safetensors files: arrays or tensors by name; such a file holds no code."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from modelwright.core.errors.starting import BadModelFile, MissingExtra
from modelwright.core.ports.engines import EngineConfig

ARRAYS, TENSORS = "arrays", "tensors"
"""What `load` may ask for: numpy's arrays, or PyTorch's tensors on the model's device."""
_SUFFIX = ".safetensors"


def weights(config: EngineConfig, how: str) -> dict[str, Any]:
    """All weights of the model's file, or of all such files in its folder; raises BadModelFile or MissingExtra."""
    read = _reader(config, how)
    found: dict[str, Any] = {}
    for file in _files(config):
        try:
            found.update(read(file))
        except Exception as error:  # its own, OSError, or one for a type that numpy does not have
            words = " ".join(str(error).split())[:300] or type(error).__name__
            hint = "fetch or write it again by safetensors"
            if how == ARRAYS and "bfloat16" in words:
                hint = f"let `load` ask for `{TENSORS}`: numpy has no bfloat16"
            raise _bad(config, f"{file} cannot be read as safetensors: {words}", hint=hint) from error
    return found


def _reader(config: EngineConfig, how: str) -> Callable[[Path], dict[str, Any]]:
    try:
        library: Any = import_module("safetensors.torch" if how == TENSORS else "safetensors.numpy")
    except ModuleNotFoundError as error:
        missing = (error.name or "safetensors").partition(".")[0]
        raise MissingExtra(
            f"model {config.model}: {missing} is not installed", hint=f"pip install {missing}"
        ) from error
    if how == ARRAYS:
        return library.load_file
    return lambda file: library.load_file(file, device=config.device)


def _files(config: EngineConfig) -> list[Path]:
    path = Path(config.path)
    if config.path and path.is_dir():
        files = sorted(path.glob(f"*{_SUFFIX}"))
        if not files:
            raise _bad(config, f"{path} holds no {_SUFFIX} file", hint="write the weights by safetensors' save_file")
        return files
    if not config.path:
        raise _bad(config, "its class asks for weights, and there is no `source`", hint="name a safetensors file there")
    return [path]


def _bad(config: EngineConfig, problem: str, *, hint: str) -> BadModelFile:
    return BadModelFile(problem, hint=hint, place=f"model {config.model}")
