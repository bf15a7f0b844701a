"""What the machine tells every process of ours: its clocks, and how much memory the process holds; it keeps nothing."""

import os
import time
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


class SystemClock:
    """For the Clock port; both readings straight from the standard library: they stand on hot paths."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


def resident_mb() -> float:
    """Resident set in MiB; 0 where the system does not tell (no /proc)."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0.0
    return round(pages * _PAGE / (1 << 20), 1)
