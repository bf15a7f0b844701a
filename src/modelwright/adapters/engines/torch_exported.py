"""Reads a `torch.export` archive (.pt2): inputs, outputs and their free dimensions stand in the exported program."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from modelwright.adapters.engines.torch_archive import look_through
from modelwright.adapters.engines.torch_program import Program, datatype_of, names_of, precision_of
from modelwright.core.ports.engines import TensorSpec

torch: Any = import_module("torch")
pytree: Any = import_module("torch.utils._pytree")


def read_exported(path: str, device: str) -> Program:
    """The program; raises Refused, CannotServe, or whatever the library raises for a file that is none."""
    look_through(path)
    try:
        exported = torch.export.load(path)
    except RuntimeError:
        import_module("torch.export.pt2_archive._package").load_pt2(
            path
        )  # this one says what is wrong, where it fails, too
        raise
    if device != "cpu":
        exported = import_module("torch.export.passes").move_to_device_pass(exported, device)
    values = {node.name: node.meta.get("val") for node in exported.graph.nodes}
    given = list(exported.graph_signature.user_inputs)
    """A name for each tensor; numbers and None that were fixed when it was exported, as they are."""
    names = [name for name in given if isinstance(values.get(name), torch.Tensor)]
    said = list(exported.graph_signature.user_outputs)
    places = [index for index, name in enumerate(said) if isinstance(values.get(name), torch.Tensor)]
    told = names_of(pytree.tree_unflatten(list(range(len(said))), exported.call_spec.out_spec))
    inputs = [values[name] for name in names]
    outputs = [values[said[place]] for place in places]
    module = exported.module()
    structure = exported.call_spec.in_spec

    def run(tensors: list[Any]) -> list[Any]:
        left = iter(tensors)
        flat = [next(left) if name in names else name for name in given]
        positional, named = pytree.tree_unflatten(flat, structure)
        found = pytree.tree_leaves(module(*positional, **named))
        return [found[place] for place in places]

    return Program(
        run=run,
        inputs=tuple(_spec(name, value) for name, value in zip(names, inputs, strict=True)),
        dtypes=tuple(value.dtype for value in inputs),
        outputs=tuple(_spec(told[place], value) for place, value in zip(places, outputs, strict=True)),
        rows=len({str(value.shape[0]) for value in (*inputs, *outputs) if value.dim()}) <= 1,
        precision=precision_of(module),
    )


def _spec(name: str, value: Any) -> TensorSpec:
    shape = tuple(size if type(size) is int else -1 for size in value.shape)
    return TensorSpec(name=name, datatype=datatype_of(value.dtype, name), shape=shape)
