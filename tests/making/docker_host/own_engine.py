"""A second real engine that a test may restart and fill up: its disk is memory, and it has a network of its own.

Containers reach each other there and nobody else, and it has no loopback: what they answer is asked inside of one.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.making.docker_host.engine import started
from tests.making.docker_host.kept import put_away

_ROOM = "2g"


class OwnEngine:
    """One that runs."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder}/docker.sock"
        self._folder = folder
        self._data = folder / "data"
        self._data.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs")
        self.start()

    def start(self) -> None:
        """Again, with what it had; as after a restart of the machine, its network is another one."""
        self.process, self.engine = started(self._folder, "--shutdown-timeout=10")

    def stop(self) -> None:
        """As the system does it: its containers end with it."""
        self.engine.close()
        self.process.terminate()
        self.process.wait(timeout=120)

    def fill(self, room: int) -> None:
        """Its disk has so many bytes left, and no more."""
        used = shutil.disk_usage(self._data).used
        self._mount("-o", f"remount,size={used + room}", "tmpfs")

    def _mount(self, *words: str) -> None:
        subprocess.run(["mount", *words, self._data], check=True, timeout=60)


@contextlib.contextmanager
def own_engine() -> Iterator[OwnEngine]:
    """Ended with all that it has."""
    folder = Path(tempfile.mkdtemp(prefix="modelwright-own-"))
    try:
        own = OwnEngine(folder)
        try:
            yield own
        finally:
            own.stop()
    finally:
        put_away(folder)
