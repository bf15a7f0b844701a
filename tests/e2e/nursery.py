"""Starts worker processes by the dozen a second: forks them from a process that has imported what they run.

What runs is the worker's own entry point with its own spec, in a process of its own; only the imports are done already.
As a program (`python -m tests.e2e.nursery`) it reads lines `KIND SPEC LOG` and writes the new process's id.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from modelwright.app.lifecycle import start_worker
from modelwright.app.workers.control import ControlWorker
from modelwright.app.workers.gateway import GatewayWorker

KINDS: dict[str, Any] = {"control": ControlWorker, "gateway": GatewayWorker}
WRITING = os.O_WRONLY | os.O_CREAT | os.O_APPEND


class Life:
    """A running worker."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended by itself."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self._descriptor, number)
        gone, _, _ = select.select([self._descriptor], [], [], 60)
        os.close(self._descriptor)
        assert gone, f"process {self.pid} has not ended"


class Nursery:
    """`inherited` are the descriptors that workers find under the same numbers, such as listening sockets."""

    def __init__(self, inherited: Sequence[int], env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=inherited,
            env={**os.environ, **env},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def start(self, kind: str, spec: Path, log: Path) -> Life:
        """A new worker, which has only begun to start."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{kind} {spec} {log}\n")
        self._process.stdin.flush()
        return Life(int(self._process.stdout.readline()))


def _bear(kind: str, spec: str, log: str) -> int:
    """The id of the new process; it never comes back here."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, WRITING), (2, log, WRITING)):
        os.dup2(os.open(path, flags, 0o600), number)
    status = 1
    try:
        status = start_worker(["worker", spec], KINDS[kind])
    finally:
        os._exit(status)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        print(_bear(*line.split()), flush=True)
