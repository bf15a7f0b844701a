"""Looks into a `torch.export` archive before PyTorch does: nothing that would run code of the file's own gets through.

`torch.export.load` unpickles without bounds what an archive says is pickled, and evaluates its expressions of sizes and
its guards as Python. So pickles and compiled code are refused, and expressions that are more than arithmetic on sizes.
What is left is a graph of PyTorch's own operators; it is still a program, and should be one of yours.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Iterator
from importlib import import_module
from typing import Any

torch: Any = import_module("torch")  # by name: it is installed beside the lock, and type checkers need not have it

_AGAIN = "export it again by torch.export.save, with tensors alone as weights and constants"
_NAMES = """
Symbol Integer Float Rational Add Mul Pow Mod Max Min Abs floor ceiling sqrt Piecewise ExprCondPair Tuple And Or Not
Eq Ne Lt Le Gt Ge Equality Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan FloorDiv CeilDiv CleanDiv
IntTrueDiv FloatTrueDiv PythonMod ModularIndexing PowByNatural FloatPow FloorToInt CeilToInt TruncToInt TruncToFloat
RoundToInt RoundDecimal ToFloat Where LShift RShift Identity
"""
_FUNCTIONS = frozenset(_NAMES.split())
_METHODS = frozenset({"size", "stride", "storage_offset", "dim", "numel"})
_ARITHMETIC = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call,
    ast.keyword, ast.Subscript, ast.Tuple, ast.Attribute, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


class Refused(Exception):
    """The archive holds what would run code; the text says what, `remedy` what to do."""

    def __init__(self, problem: str, remedy: str = _AGAIN) -> None:
        super().__init__(problem)
        self.remedy = remedy


def look_through(path: str) -> None:
    """Raise Refused, or what a broken archive raises."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            _look(name.partition("/")[2] or name, lambda name=name: archive.read(name))


def _look(name: str, content: Any) -> None:
    if name.startswith("data/aotinductor/") or name.endswith((".so", ".cubin", ".dll")):
        raise Refused("it holds compiled code", "package the exported program itself, by torch.export.save")
    if name == "serialized_exported_program.json":
        raise Refused("it was written by a PyTorch of before 2.8")
    if name.startswith(("data/weights/", "data/constants/")) and name.endswith(".pt"):
        raise Refused("its weights are a pickle")
    if name.startswith("data/") and name.endswith("_config.json"):
        _plain_tensors(json.loads(content()))
    elif name.startswith("data/sample_inputs/"):
        _plain_sample(content())
    elif name.startswith("models/"):
        for text in _expressions(json.loads(content())):
            _arithmetic(text)


def _plain_tensors(config: Any) -> None:
    for tensor, how in config["config"].items():
        if how.get("use_pickle") or str(how["path_name"]).startswith(("custom_obj", "opaque_obj")):
            raise Refused(f"{tensor!r} in it is pickled")


def _plain_sample(content: bytes) -> None:
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:
        raise Refused("its sample inputs are a pickle of more than tensors") from error


def _expressions(found: Any) -> Iterator[str]:
    """Every text in it that PyTorch evaluates."""
    if isinstance(found, dict):
        for name, value in found.items():
            if name == "expr_str":
                yield str(value)
            elif name == "guards_code":
                yield from map(str, value)
            else:
                yield from _expressions(value)
    elif isinstance(found, list):
        for value in found:
            yield from _expressions(value)


def _arithmetic(text: str) -> None:
    try:
        nodes = list(ast.walk(ast.parse(text, mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Refused(f"it holds the expression {text[:80]!r}") from error
    for node in nodes:
        called = node.func if isinstance(node, ast.Call) else None
        if (
            not isinstance(node, _ARITHMETIC)
            or (isinstance(node, ast.Attribute) and node.attr not in _METHODS)
            or (isinstance(called, ast.Name) and called.id not in _FUNCTIONS)
            or (called is not None and not isinstance(called, ast.Name | ast.Attribute))
        ):
            raise Refused(f"it holds the expression {text[:80]!r}, which is more than arithmetic on sizes")
