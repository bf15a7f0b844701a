"""A serving worker as a process of its own, as the supervisor would start it, on a TCP port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.process import SERVER_CPU, wait_for
from modelwright.app.parts import ModelPart, PartSpec
from modelwright.app.supervise.budget import with_heap


@contextmanager
def worker(folder: Path, model: ModelPart, *, pinned: bool) -> Iterator[tuple[int, int]]:
    """Of one model, ready, on one processor or on any; its port and process."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    spec = PartSpec(
        name="serving-m-0",
        kind="serving",
        runtime=str(folder),
        state=str(folder),
        base=str(folder),
        environment="production",
        sockets={"own": listening.fileno()},
        log_level="warning",
        model=model,
    )
    file = folder / "spec.json"
    file.write_bytes(msgspec.json.encode(spec))
    port: int = listening.getsockname()[1]
    command = [sys.executable, "-m", "modelwright.app.workers.serving", str(file)]
    if pinned:
        command = ["taskset", "-c", str(SERVER_CPU), *command]
    process = subprocess.Popen(command, pass_fds=(listening.fileno(),), env=with_heap(os.environ))
    listening.close()
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz", seconds=120.0)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)
