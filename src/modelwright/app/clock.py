"""The machine's clocks, for the Clock port."""

import time


class SystemClock:
    """Both readings straight from the standard library: they stand on hot paths."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
