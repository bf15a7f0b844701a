"""The socket of a unit that its first call starts: whoever calls waits there until a process takes the call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from modelwright.app.supervise.devices.doors import UnixDoor


class Bell:
    """Rings when somebody calls and no process is there to hear it."""

    def __init__(self, path: Path) -> None:
        self.door = UnixDoor(path)
        self._watched = -1

    def listen(self, called: Callable[[], None]) -> None:
        """Open the socket, and tell of the first call that comes, once."""
        self.rest()
        self._watched = self.door.open()

        def ring() -> None:
            self.rest()
            called()

        asyncio.get_running_loop().add_reader(self._watched, ring)

    def rest(self) -> None:
        """A process takes the calls now."""
        if self._watched >= 0:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = -1

    def close(self) -> None:
        """Callers are refused at once."""
        self.rest()
        self.door.close()
