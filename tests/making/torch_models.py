"""Small PyTorch programs made on the spot, as `torch.export` archives and as TorchScript."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

torch: Any = import_module("torch")  # by name, as in the engine: type checkers need not have it


class Double(torch.nn.Module):
    """What the toy engine computes: `y = 2 x` and `total`, each row's sum."""

    def forward(self, x):
        return {"y": 2 * x, "total": x.sum(1)}


class Pick(torch.nn.Module):
    """Takes rows of a table of three by index."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(3, 2)

    def forward(self, index):
        return self.table(index)


def product(path: Path, *, columns: int) -> Path:
    """Multiplies rows with a square matrix."""
    return exported(torch.nn.Linear(columns, columns), (np.zeros((2, columns), np.float32),), path)


def exported(model: Any, sample: Sequence[Any], path: Path, *, free: bool = True) -> Path:
    """Write an exported program whose first dimensions are a free batch."""
    tensors = tuple(torch.from_numpy(one) for one in sample)
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in tensors) if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(model.eval(), tensors, dynamic_shapes=shapes), path)
    return path


def scripted(model: Any, sample: Sequence[Any], path: Path) -> Path:
    """Write a traced program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model.eval(), tuple(torch.from_numpy(one) for one in sample), strict=False).save(str(path))
    return path
