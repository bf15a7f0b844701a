"""Reads a TorchScript archive: it says what its inputs are called, but not their shapes, which the manifest declares.

Outputs are found by running it on zeros of two sizes. PyTorch's interpreter runs the program in the file; the archive's
pickles are read by a reader that makes tensors and numbers alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec

from modelwright.adapters.engines.torch_program import (
    DTYPES,
    CannotServe,
    Program,
    datatype_of,
    names_of,
    precision_of,
)
from modelwright.core.ports.engines import TensorSpec

torch: Any = import_module("torch")
pytree: Any = import_module("torch.utils._pytree")

_SIZES = (2, 3)


class Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input as the manifest declares it."""

    datatype: str
    shape: tuple[int, ...]
    """-1 for a free dimension; the first one, when free, is the batch."""


class _Asked(msgspec.Struct, frozen=True):
    name: str
    datatype: str
    shape: tuple[int, ...]


class _Check(msgspec.Struct, frozen=True):
    inputs: tuple[_Asked, ...] = ()


def read_script(path: str, device: str, *, declared: Mapping[str, Declared], check: str) -> Program:
    """The program; raises CannotServe, or whatever the library raises for a file that is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says at each load that it would rather have torch.export
        module = torch.jit.load(path, map_location=device)
    module.eval()
    names = [argument.name for argument in module.forward.schema.arguments[1:] if not argument.has_default_value()]
    specs = _specs(names, declared or _from_check(check))

    def run(tensors: list[Any]) -> list[Any]:
        return pytree.tree_leaves(module(*tensors))

    first, second = (_trial(module, specs, size=size, device=device) for size in _SIZES)
    told = names_of(first)
    leaves, others = pytree.tree_leaves(first), pytree.tree_leaves(second)
    if len(leaves) != len(others):
        problem = f"it gives {len(leaves)} tensors for {_SIZES[0]} rows and {len(others)} for {_SIZES[1]}"
        raise CannotServe(problem, "let it give as many for any input")
    return Program(
        run=run,
        inputs=specs,
        dtypes=tuple(DTYPES[spec.datatype] for spec in specs),
        outputs=tuple(_output(name, one, other) for name, one, other in zip(told, leaves, others, strict=True)),
        precision=precision_of(module),
    )


def _specs(names: list[str], declared: Mapping[str, Declared]) -> tuple[TensorSpec, ...]:
    example = "{" + ", ".join(f"{name}: {{datatype: FP32, shape: [-1, 4]}}" for name in names) + "}"
    remedy = f"declare them, such as engine: {{options: {{inputs: {example}}}}}, or name a request in `check`"
    if set(declared) != set(names):
        found = f"{', '.join(declared)} are declared" if declared else "a TorchScript file does not say their shapes"
        raise CannotServe(f"its inputs are {', '.join(names)}, and {found}", remedy)
    for name, one in declared.items():
        if one.datatype not in DTYPES:
            raise CannotServe(f"input {name} has datatype {one.datatype!r}", f"take one of {', '.join(DTYPES)}")
        if any(size < -1 or not size for size in one.shape):
            raise CannotServe(
                f"input {name} has the shape {list(one.shape)}", "write sizes, and -1 for a free dimension"
            )
    return tuple(TensorSpec(name=name, datatype=declared[name].datatype, shape=declared[name].shape) for name in names)


def _from_check(check: str) -> dict[str, Declared]:
    """By the request that proves readiness; its first dimension is taken as the batch."""
    if not check:
        return {}
    try:
        asked = msgspec.json.decode(check, type=_Check)
    except msgspec.MsgspecError as error:
        raise CannotServe(f"the model's check is no request: {error}", "write a V2 request into it") from error
    return {one.name: Declared(datatype=one.datatype, shape=(-1, *one.shape[1:])) for one in asked.inputs}


def _trial(module: Any, specs: tuple[TensorSpec, ...], *, size: int, device: str) -> Any:
    """What it gives for zeros, each free dimension of this size."""
    try:
        zeros = [
            torch.zeros([size if free < 0 else free for free in spec.shape], dtype=DTYPES[spec.datatype], device=device)
            for spec in specs
        ]
        with torch.inference_mode():
            return module(*zeros)
    except Exception as error:
        given = ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in specs)
        raise CannotServe(
            f"it does not take zeros of {given}: {_last_line(error)}",
            "correct the datatypes and shapes in engine.options.inputs, or in the model's check",
        ) from error


def _last_line(error: Exception) -> str:
    """What TorchScript says after its long way there."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _output(name: str, one: Any, other: Any) -> TensorSpec:
    if not isinstance(one, torch.Tensor):
        raise CannotServe(f"its output {name!r} is a {type(one).__name__}", "let it give tensors alone")
    if one.dim() != other.dim():
        problem = (
            f"its output {name!r} has {one.dim()} dimensions for {_SIZES[0]} rows and {other.dim()} for {_SIZES[1]}"
        )
        raise CannotServe(problem, "let it give as many for any input")
    shape = tuple(size if size == then else -1 for size, then in zip(one.shape, other.shape, strict=True))
    return TensorSpec(name=name, datatype=datatype_of(one.dtype, name), shape=shape)
