"""Keeps what a test run has started on its machine until the run ends, however it ends, and then puts it away.

python -m tests.making.docker_host.kept RUN FOLDER PROGRAM...   a program and its folder
python -m tests.making.docker_host.kept RUN URL PREFIX          what projects with this prefix have left on an engine
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import docker

from tests.making.docker_host.projects import sweep

RUN = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
"""The process that ends with the run: pytest's own, of which xdist's workers are children."""
_CHECKOUT = Path(__file__).parents[3]
_SECONDS_TO_END = 30


def keep(*words: str) -> int:
    """Start this program for the current run, apart from whoever asks; its process id."""
    command = [sys.executable, "-m", "tests.making.docker_host.kept", str(RUN), *words]
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    return os.posix_spawn(sys.executable, command, environment, file_actions=silent, setsid=True)


def _program(run: int, folder: Path, command: list[str]) -> None:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    if process.pid in _first_to_end(run, process.pid):
        return
    process.terminate()
    try:
        process.wait(timeout=_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
    put_away(folder)


def put_away(folder: Path) -> None:
    """What a dockerd had, also one that was killed: it mounts its folder on itself."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", mount], check=False, timeout=60)
    shutil.rmtree(folder, ignore_errors=True)


def _first_to_end(*pids: int) -> set[int]:
    waiting = select.poll()
    watched = {os.pidfd_open(pid): pid for pid in pids}
    for watch in watched:
        waiting.register(watch, select.POLLIN)
    return {watched[watch] for watch, _ in waiting.poll()}


def main(run: int, place: str, *words: str) -> None:
    """Wait for the end of the run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "://" not in place:
        return _program(run, Path(place), list(words))
    _first_to_end(run)
    with contextlib.closing(docker.DockerClient(place, timeout=60)) as client:
        sweep(client, lambda project: project.startswith(words[0]))
    return None


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
