"""NVIDIA's GPUs, as `nvidia-smi` and CUDA_VISIBLE_DEVICES tell of them; it changes no setting of any.

Written by the documentation of both, and tried on what these say, not on a GPU.
"""

from __future__ import annotations

import shutil
import subprocess

from modelwright.core.resources.machine import Gpu

PROGRAM = "nvidia-smi"
QUERY = ("--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits")
PATIENCE = 20.0
"""Seconds: without its persistence mode the driver takes some to wake up."""


def nvidia_gpus(visible: str | None) -> tuple[Gpu, ...]:
    """Those that a process with this CUDA_VISIBLE_DEVICES may use, None without one; empty where there are none.

    Where `nvidia-smi` is missing, as in some containers, those that the variable names are believed in.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        return tuple(Gpu(id=name) for name in _names(visible or ""))
    try:
        told = subprocess.run([program, *QUERY], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return visible_of(read_table(told.stdout), visible) if told.returncode == 0 else ()


def read_table(text: str) -> tuple[Gpu, ...]:
    """The GPUs in the order of the bus, of lines such as `GPU-1f2e…, 81559` (MiB); other lines are none."""
    found: list[Gpu] = []
    for line in text.splitlines():
        name, _, size = (word.strip() for word in line.partition(","))
        if name.startswith("GPU-"):
            found.append(Gpu(id=name, memory=int(size) << 20 if size.isdigit() else 0))
    return tuple(found)


def visible_of(gpus: tuple[Gpu, ...], visible: str | None) -> tuple[Gpu, ...]:
    """What CUDA makes of the variable: numbers and beginnings of names, up to the first that is none.

    A slice of one (MIG) is in no table: how much memory it has is not known.
    """
    if visible is None:
        return gpus
    found: list[Gpu] = []
    for name in _names(visible):
        if name.startswith("MIG-"):
            found.append(Gpu(id=name))
            continue
        by_name = [gpu for gpu in gpus if gpu.id.startswith(name)]
        fitting = gpus[int(name) : int(name) + 1] if name.isdigit() else by_name
        if len(fitting) != 1:
            break
        found.extend(fitting)
    return tuple(dict.fromkeys(found))


def _names(visible: str) -> list[str]:
    names: list[str] = []
    for name in (word.strip() for word in visible.split(",")):
        if not (name.isdigit() or name.startswith(("GPU-", "MIG-"))):
            break
        names.append(name)
    return list(dict.fromkeys(names))
