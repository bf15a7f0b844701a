"""Custom engine: a class of the user's with declared tensors, called with batches; requests are joined around it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from modelwright.adapters.engines.custom.loading import Home, lacks, line_of, make, method, told_of
from modelwright.adapters.engines.custom.running import DIED, LAST_WORDS, failure, is_async
from modelwright.core.errors.calls import EngineFailed
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorSpec

DTYPES: dict[str, str] = {
    "BOOL": "?",
    "INT8": "i1",
    "UINT8": "u1",
    "INT16": "i2",
    "UINT16": "u2",
    "FP16": "f2",
    "INT32": "i4",
    "UINT32": "u4",
    "FP32": "f4",
    "INT64": "i8",
    "UINT64": "u8",
    "FP64": "f8",
    "BYTES": "O",
}
_NAMES = {np.dtype(code): name for name, code in DTYPES.items() if name != "BYTES"}


class Tensor:
    """One input or output of a class: `Tensor("FP32", -1, 4)`; the first -1 is the batch, others are free."""

    __slots__ = ("datatype", "shape")

    def __init__(self, datatype: Any, *shape: int) -> None:
        """`datatype` is a V2 name, or what numpy takes for a dtype."""
        self.datatype = datatype if isinstance(datatype, str) and datatype in DTYPES else _name_of(datatype)
        self.shape = shape


class TensorCustomEngine:
    """Calls `predict` with arrays by name, [rows, …] each."""

    def __init__(self, found: type, home: Home, *, seconds: float) -> None:
        """`seconds` is what one call may take; the process ends when it takes longer."""
        self._class = found
        self._home = home
        self._seconds = seconds
        self._logger = logging.getLogger(home.module)
        self._model = ""
        self._made: Any = None
        self._predict: Any = None
        self._outputs: tuple[TensorSpec, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = 0.0
        self._loads = 0
        self._answered = False
        """It has answered once, when it was tried before any client could ask it."""

    def load(self, config: EngineConfig) -> Signature:
        self._model = config.model
        self._made = make(self._class, self._home, config=config)
        self._predict = method(self._made, "predict", self._home)
        remedy = "write `def predict(self, …)` with the inputs by their names"
        if self._predict is None:
            raise StartError(lacks("predict", self._made, self._home), hint=remedy, place=self._home.place)
        inputs, self._outputs = self._specs("inputs"), self._specs("outputs")
        self._check_names([spec.name for spec in inputs])
        if is_async(self._predict):
            self._loop = asyncio.new_event_loop()
        self._loads += 1
        threading.Thread(target=self._watch, args=(self._loads,), name="custom-watch", daemon=True).start()
        return Signature(
            inputs=inputs,
            outputs=self._outputs,
            platform="python",
            precision=config.precision,
            inline=False,
            rows=getattr(self._made, "rows", True) is not False,
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self._began = time.monotonic()
        try:
            found = self._predict(**inputs)
            made = self._arrays(found if self._loop is None else self._loop.run_until_complete(found))
        except BaseException as error:  # noqa: BLE001 - SystemExit is judged, too
            told = failure(error, model=self._model, logger=self._logger)
            if not self._answered and told is not error:
                told.message = f"predict failed: {told_of(error, self._home)}"  # nobody but its author waits yet
            raise told from None
        finally:
            self._began = 0.0
        self._answered = True
        return made

    def close(self) -> None:
        self._made = self._predict = None
        if self._loop is not None:
            self._loop.close()

    def _check_names(self, inputs: list[str]) -> None:
        """The method takes what is declared."""
        takes = inspect.signature(self._predict).parameters.values()
        if any(one.kind is one.VAR_KEYWORD for one in takes):
            return
        named = {one.name: one.default is one.empty for one in takes if one.kind is not one.VAR_POSITIONAL}
        missing = [name for name in inputs if name not in named]
        if missing:
            takes_told = ", ".join(named) or "nothing"
            problem = f"declares the input {missing[0]!r}, and its predict takes {takes_told}"
            raise self._wrong(problem, f"write `def predict(self, {', '.join(inputs)})`")
        vain = [name for name, needed in named.items() if needed and name not in inputs]
        if vain:
            raise self._wrong(
                f"has a predict that takes {vain[0]!r}, which is no declared input", "declare it, or leave it out"
            )

    def _specs(self, side: str) -> tuple[TensorSpec, ...]:
        declared = getattr(self._made, side, None)
        if not isinstance(declared, dict) or not declared:
            raise self._wrong(f"declares no {side}", f'write `{side} = {{"x": Tensor("FP32", -1, 4)}}` in the class')
        for name, tensor in declared.items():
            if not isinstance(name, str) or not isinstance(tensor, Tensor):
                raise self._wrong(f"declares {side}[{name!r}] as no Tensor", 'write `Tensor("FP32", -1, 4)`')
        return tuple(
            TensorSpec(name=name, datatype=tensor.datatype, shape=tensor.shape) for name, tensor in declared.items()
        )

    def _arrays(self, found: Any) -> dict[str, Array]:
        """What it returned, as declared: by name, or the only one as it is."""
        outputs = found if isinstance(found, Mapping) else {self._outputs[0].name: found}
        missing = [spec.name for spec in self._outputs if spec.name not in outputs]
        if missing:
            raise EngineFailed(f"model {self._model!r} gave no output {missing[0]!r}", hint="predict has to return it")
        return {spec.name: self._array(spec, outputs[spec.name]) for spec in self._outputs}

    def _array(self, spec: TensorSpec, value: Any) -> Array:
        array = np.asarray(value, DTYPES[spec.datatype])
        same = all(wanted in {-1, size} for size, wanted in zip(array.shape, spec.shape, strict=False))
        if array.ndim != len(spec.shape) or not same:
            raise EngineFailed(
                f"model {self._model!r} gave {spec.name!r} of shape {list(array.shape)}, not {list(spec.shape)}",
                hint="let predict return what the class declares",
            )
        if spec.datatype == "BYTES":
            return _encoded(array)
        return array

    def _watch(self, number: int) -> None:
        """A call that does not end keeps its thread for ever: only the end of the process helps."""
        while self._predict is not None and self._loads == number:
            time.sleep(min(1.0, self._seconds / 4))
            began = self._began
            if began and time.monotonic() - began > self._seconds:
                self._logger.critical("model %s hangs: a call did not end within %g s", self._model, self._seconds)
                time.sleep(LAST_WORDS)
                os._exit(DIED)

    def _wrong(self, problem: str, remedy: str) -> StartError:
        where = line_of(self._predict, self._home) if self._predict else self._home.name
        return StartError(f"{where}: {self._home.name} {problem}", hint=remedy, place=self._home.place)


def _name_of(datatype: Any) -> str:
    name = _NAMES.get(np.dtype(datatype))
    if name is None:
        raise ValueError(f"there is no tensor of {datatype!r}; take one of {', '.join(DTYPES)}")
    return name


def _encoded(array: Array) -> Array:
    """Texts become bytes."""
    flat = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
    found = np.empty(len(flat), object)
    found[:] = flat
    return found.reshape(array.shape)
