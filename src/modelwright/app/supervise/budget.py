"""What a worker may take of processors and memory, as variables for libraries that read them when they are loaded.

Engines are told their threads by name; numpy's and others' pools are sized by these alone, and no pool is to wait by
spinning. The C library's heap keeps what a large body leaves behind.
"""

from __future__ import annotations

from collections.abc import Mapping

_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_NO_SPINNING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}

_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(8 << 20), "MALLOC_TRIM_THRESHOLD_": str(16 << 20)}
"""Bytes from which on a piece of memory is the system's own and goes back at once, and that stay free at the heap's
end. By itself glibc gives back after every image what the next one needs, and each page of it costs a fault: together
more than all else that is done with the body. Other C libraries read neither."""


def with_heap(env: Mapping[str, str]) -> dict[str, str]:
    """The variables for any worker; what the machine's own say of the heap goes first."""
    return {**_HEAP, **env}


def within_budget(env: Mapping[str, str], threads: int) -> dict[str, str]:
    """The variables for a worker with so many compute threads, whatever the machine's own say."""
    return {**env, **_NO_SPINNING, **dict.fromkeys(_COUNTS, str(threads))}
