"""The compute budget of a worker that runs a model, as variables for libraries that make thread pools of their own.

Engines are told their threads by name; numpy's and others' pools are sized when they are loaded, by these alone. No
pool is to wait by spinning.
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


def within_budget(env: Mapping[str, str], threads: int) -> dict[str, str]:
    """The variables for a worker with so many compute threads, whatever the machine's own say."""
    return {**env, **_NO_SPINNING, **dict.fromkeys(_COUNTS, str(threads))}
