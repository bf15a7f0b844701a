"""Starts, pins and measures the processes of a benchmark; CPU time comes from the kernel's scheduler."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

SERVER_CPU = 0
LOAD_CPU = 1 if (os.cpu_count() or 1) > 1 else 0


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes away with the benchmark."""
    with tempfile.TemporaryDirectory(prefix="modelwright-bench-") as folder:
        yield Path(folder)


@contextmanager
def running(command: Sequence[str], *, cpu: int | None, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process pinned to one processor (None: to none), ended by SIGTERM (then SIGKILL) at the end."""
    pinned = [*command] if cpu is None else ["taskset", "-c", str(cpu), *command]
    with log.open("wb") as out:
        process = subprocess.Popen(pinned, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, *, seconds: float = 20.0) -> None:
    """Until the URL answers anything below 500."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - loopback
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.05)
    raise TimeoutError(f"{url} did not answer in {seconds} s")


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time that these processes have used, all threads, from /proc/PID/task/*/schedstat."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def with_cpu(action: Callable[[], T], pids: Sequence[int]) -> tuple[T, float]:
    """What it gives, and the CPU time that these processes used meanwhile."""
    before = cpu_seconds(pids)
    result = action()
    return result, cpu_seconds(pids) - before


def resident_mb(pid: int) -> float:
    """Proportional set size: what the process would free."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def pin(pid: int, cpu: int) -> None:
    """All threads of a process to one processor."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {cpu})


def children(pid: int) -> list[int]:
    """Direct children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def modelwright(*arguments: str) -> list[str]:
    """The command line of this installation."""
    return [sys.executable, "-m", "modelwright", *arguments]


@contextmanager
def site(
    manifest: str, folder: Path, *, cpu: int | None = SERVER_CPU, env: Mapping[str, str] | None = None
) -> Iterator[Site]:
    """A whole `modelwright up` of this manifest, ready; `env` adds variables."""
    path = folder / "modelwright.yaml"
    path.write_text(manifest)
    command = modelwright("up", "-f", str(path), "--port", "0", "--admin-port", "0")
    variables = [f"{name}={value}" for name, value in (env or {}).items()]
    with running(["env", *variables, *command] if env else command, cpu=cpu, log=folder / "up.log"):
        yield _ready(path)


class Site:
    """A running manifest."""

    def __init__(self, status: dict[str, object], folder: Path) -> None:
        self.public = str(status["public"]).rstrip("/")
        self.grpc = str(status.get("grpc", ""))
        self.supervisor = int(str(status["pid"]))
        self.key = (folder / ".modelwright/keys/development").read_text().strip()
        self.parts = {part["name"]: part for part in status["parts"]}  # type: ignore[attr-defined]

    @property
    def running(self) -> list[str]:
        """Parts that are processes."""
        return [name for name, part in self.parts.items() if part["pid"]]

    def pid(self, part: str) -> int:
        """Process of a part."""
        return int(self.parts[part]["pid"])

    @property
    def gateways(self) -> list[int]:
        """Processes of all gateway workers."""
        return [self.pid(name) for name in sorted(self.parts) if name.startswith("gateway-")]

    @property
    def port(self) -> int:
        """Of the public door."""
        return urlsplit(self.public).port or 0

    def socket(self, part: str) -> str:
        """The part's own Unix socket."""
        return str(self.parts[part]["socket"])


def _ready(manifest: Path, *, seconds: float = 60.0) -> Site:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asked = subprocess.run(modelwright("status", "-f", str(manifest), "--json"), capture_output=True, check=False)
        if asked.returncode == 0:
            status = json.loads(asked.stdout)
            if status["ready"]:
                return Site(status, manifest.parent)
        time.sleep(0.2)
    raise TimeoutError((manifest.parent / "up.log").read_text()[-2000:])


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
