"""Whether the snapshot still holds every key: control says so again and again by touching a file; it reads no key."""

from __future__ import annotations

import logging
from pathlib import Path

from modelwright.core.ports.clock import Clock

FILE = "keys.alive"
"""In the runtime directory. Control touches it while it can read its database and the snapshot holds what is there."""
PATIENCE = 10.0
"""Seconds without a touch after which a key that is not in the snapshot may yet be a good one."""

log = logging.getLogger("modelwright.gateway")


class KeySource:
    """Looked at beside the calls. A file that was never there promised nothing: then the snapshot is all there is."""

    def __init__(self, runtime: Path, *, clock: Clock) -> None:
        self.away = False
        """Known keys are good all the same; nobody can say that an unknown one is not."""
        self._path = runtime / FILE
        self._clock = clock
        self._touched = 0
        self._since = 0.0

    def look(self) -> None:
        """See whether it was touched; the file's time only tells that it changed, since clocks may be set."""
        try:
            touched = self._path.stat().st_mtime_ns
        except OSError:
            touched = self._touched
        now = self._clock.monotonic()
        if touched != self._touched:
            is_first = not self._touched
            old = self._clock.now() - touched / 1e9 if is_first else 0.0
            self._touched, self._since = touched, now - max(0.0, old)
        away = bool(self._touched) and now - self._since > PATIENCE
        if away != self.away:
            self.away = away
            if away:
                log.error("control does not keep the keys up to date; known ones go on working, others wait")
            else:
                log.info("control keeps the keys up to date again")


def touch(runtime: Path) -> None:
    """What control does; raises OSError."""
    (runtime / FILE).touch(mode=0o600)
