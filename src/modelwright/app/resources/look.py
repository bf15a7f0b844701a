"""Looks at what there is for this process: processors, memory and GPUs, within whatever bounds it was put."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from modelwright.adapters.devices.nvidia import nvidia_gpus
from modelwright.app.settings.settings import process_environment
from modelwright.core.resources.machine import Machine

GROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
VISIBLE = "CUDA_VISIBLE_DEVICES"
"""What CUDA lets a process see; a model's process is told its own."""


def look_at_machine(*, gpus: bool) -> Machine:
    """`gpus`: ask for these, too, which may take seconds."""
    binds = hasattr(os, "sched_getaffinity")
    cpus = tuple(sorted(os.sched_getaffinity(0))) if binds else ()
    quota, bound = limits()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cpus=cpus,
        cores=min(len(cpus) or os.cpu_count() or 1, quota or float("inf")),
        memory=min(memory, bound or memory),
        tells_memory=Path("/proc/self/statm").exists(),
        gpus=nvidia_gpus(process_environment().get(VISIBLE)) if gpus else (),
    )


def limits(groups: Path = GROUPS, own: Path = OWN) -> tuple[float, int]:
    """(processors, bytes) that control groups leave to this process, in both of their versions; 0: no bound."""
    quotas: list[float] = []
    bounds: list[int] = []
    for folder in dict.fromkeys(_folders(groups, own)):
        quotas.extend(_quota(folder))
        bounds.extend(_numbers(folder, "memory.max") or _numbers(folder, "memory.limit_in_bytes"))
    return min(quotas, default=0.0), min(bounds, default=0)


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Of our groups and those above them; inside of a container ours may be seen as the top."""
    try:
        lines = own.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for top in {groups / controllers, *(groups / one for one in controllers.split(","))}:
            here = top / path.lstrip("/")
            yield from (folder for folder in (here, *here.parents) if folder.is_relative_to(top))


def _quota(folder: Path) -> list[float]:
    whole = _numbers(folder, "cpu.max") or [
        *_numbers(folder, "cpu.cfs_quota_us"),
        *_numbers(folder, "cpu.cfs_period_us"),
    ]
    return [whole[0] / whole[1]] if len(whole) == 2 and min(whole) > 0 else []


def _numbers(folder: Path, name: str) -> list[int]:
    """What the file holds; nothing for words such as `max`."""
    try:
        words = (folder / name).read_text("ascii").split()
    except (OSError, UnicodeDecodeError):
        return []
    return [int(word) for word in words if word.lstrip("-").isdigit()]
