"""Looks at every process of a site again and again: memory, descriptors, threads, calls under way."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """One look at one process."""

    at: float
    own: float
    """MiB that no file backs: what it has made itself. The rest is shared with whoever else runs the same files."""
    pss: float
    """MiB, proportional."""
    rss: float
    """MiB."""
    descriptors: int
    threads: int


class Sampler:
    """A thread that looks every so many seconds until it is finished."""

    def __init__(self, pids: Mapping[str, int], *, every: float) -> None:
        self.samples: dict[str, list[Sample]] = {name: [] for name in pids}
        self._pids = pids
        self._every = every
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def finish(self) -> None:
        """No more looks."""
        self._enough.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._enough.wait(self._every):
            for name, pid in self._pids.items():
                self.samples[name].append(look(pid))


def look(pid: int) -> Sample:
    """Raises OSError when the process is gone."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    rollup = dict(line.split(":", 1) for line in (process / "smaps_rollup").read_text().splitlines()[1:])
    return Sample(
        time.monotonic(),
        int(rollup["Anonymous"].split()[0]) / 1024,
        int(rollup["Pss"].split()[0]) / 1024,
        int(status["VmRSS"].split()[0]) / 1024,
        sum(1 for _ in (process / "fd").iterdir()),
        int(status["Threads"]),
    )


def in_flight(door: str) -> int:
    """Calls under way at a worker, by its own socket."""
    connection = http.client.HTTPConnection("own", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(door)
    connection.request("GET", "/status")
    found: int = json.loads(connection.getresponse().read())["in_flight"]
    connection.close()
    return found
