"""A real Redis server for tests, from the system's package: on a free port, in memory, ended by its process id."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self


class RedisServer:
    """`redis-server`; the folder is for whatever it might write."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed: sh tests/system-packages.sh redis-server"
        self._command = [program, "--save", "", "--appendonly", "no", "--dir", str(folder), "--bind", "127.0.0.1"]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def stop(self) -> None:
        """It answers nobody, and its port stays open."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It answers again, also what was asked meanwhile."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, with all that it held."""
        self.process.kill()
        self.process.wait(timeout=30)

    def start(self) -> None:
        """Again, empty, on the same port."""
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*self._command, "--port", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as ping:
                ping.sendall(b"PING\r\n")
                if ping.recv(7) == b"+PONG\r\n":
                    return process
            assert process.poll() is None, "redis-server has ended"
            time.sleep(0.02)
        raise AssertionError("redis-server does not answer")
