"""Tensor engine: PyTorch programs from `torch.export` archives (.pt2) and TorchScript, in inference mode.

Which of the two a file is, is read from its content. Weights alone (`torch.save`) are no program and a pickle: refused.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec
import numpy as np

from modelwright.adapters.engines.checked import one_line, only_on, options_of, unreadable
from modelwright.adapters.engines.torch_archive import Refused
from modelwright.adapters.engines.torch_exported import read_exported
from modelwright.adapters.engines.torch_program import DTYPES, CannotServe, Program
from modelwright.adapters.engines.torch_script import Declared, read_script
from modelwright.core.errors.calls import EngineFailed, Unprocessable
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature

torch: Any = import_module("torch")

_REMEDY = "export the model again: torch.export.save(torch.export.export(model, (sample,)), 'model.pt2')"
_STRANGERS = ("Unknown builtin op", "Failed deserializing node Node(target='torch.ops.")
_STRANGE = "it calls operators that this PyTorch does not have: write them with its own, and export it with its version"
_AUTOCAST = {"bf16": torch.bfloat16, "f16": torch.float16}


class TorchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the manifest may say."""

    inputs: dict[str, Declared] = {}
    """TorchScript: datatype and shape of each input, by name."""


class TorchEngine:
    """One program; its threads are the process's own. `precision` bf16 and f16 compute so what PyTorch's autocast does.

    Inputs are copied, since a program may write into them.
    """

    def __init__(self) -> None:
        self._program: Program | None = None
        self._device = "cpu"
        self._autocast: Any = None

    def load(self, config: EngineConfig) -> Signature:
        options = options_of(config, TorchOptions)
        only_on(config, ("cpu", "cuda"), library="PyTorch")
        self._device = _device(config)
        _share_threads(config.threads)
        program = _read(config, options, self._device)
        self._autocast = _AUTOCAST.get(config.precision)
        self._program = program
        return Signature(
            inputs=program.inputs,
            outputs=program.outputs,
            platform="pytorch",
            precision=program.precision if self._autocast is None else config.precision,
            rows=program.rows,
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        program = self._program
        if program is None:
            raise EngineFailed("the model is not loaded")
        try:
            with torch.inference_mode(), self._computing():
                given = [self._tensor(inputs[spec.name], dtype) for spec, dtype in self._pairs(program)]
                found = program.run(given)
        except (AssertionError, IndexError, ValueError) as error:  # guards of shapes, indices that are not there
            raise Unprocessable(f"the model refuses these values: {one_line(error)}", hint="mend them") from error
        except Exception as error:  # a program raises what its operators do
            raise EngineFailed(f"PyTorch failed: {one_line(error)}") from error
        pairs = zip(program.outputs, found, strict=True)
        return {spec.name: tensor.to("cpu", DTYPES[spec.datatype]).numpy() for spec, tensor in pairs}

    def close(self) -> None:
        self._program = None

    def _computing(self) -> Any:
        if self._autocast is None:
            return contextlib.nullcontext()
        return torch.autocast(self._device.partition(":")[0], dtype=self._autocast)

    def _pairs(self, program: Program) -> Any:
        return zip(program.inputs, program.dtypes, strict=True)

    def _tensor(self, array: Array, dtype: Any) -> Any:
        return torch.from_numpy(np.array(array)).to(self._device, dtype)


def _read(config: EngineConfig, options: TorchOptions, device: str) -> Program:
    try:
        with zipfile.ZipFile(config.path) as archive:
            scripted = any(name.partition("/")[2] == "constants.pkl" for name in archive.namelist())
        if scripted:
            return read_script(config.path, device, declared=options.inputs, check=config.check)
        return read_exported(config.path, device)
    except (Refused, CannotServe) as error:
        raise unreadable(config, "a PyTorch program", problem=one_line(error), remedy=error.remedy) from error
    except Exception as error:  # a broken file fails at any place of the library
        remedy = _STRANGE if any(words in str(error) for words in _STRANGERS) else _REMEDY
        raise unreadable(config, "a PyTorch program", problem=one_line(error), remedy=remedy) from error


def _device(config: EngineConfig) -> str:
    device = "cuda:0" if config.device == "cuda" else config.device
    if device != "cpu" and not (torch.cuda.is_available() and int(device[5:]) < torch.cuda.device_count()):
        raise StartError(
            f"PyTorch finds no device {config.device}",
            hint="install a PyTorch that was built for your driver, or leave engine.device at cpu",
            place=f"model {config.model}.engine.device",
        )
    if config.gpu_share and device != "cpu":
        torch.cuda.set_per_process_memory_fraction(min(1.0, config.gpu_share), device)
    return device


def _share_threads(threads: int) -> None:
    """The process's own settings: its engines compute one after the other."""
    torch.set_num_threads(threads)
    with contextlib.suppress(RuntimeError):  # it may be set once, before anything has run
        torch.set_num_interop_threads(1)
    torch.set_float32_matmul_precision("highest")
