"""Leads the standard input of whoever came in by `docker exec` to the keeper, and answers back; starts at once."""

from __future__ import annotations

import os
import select
import socket
import sys
import time

SOCKET = "/run/modelwright-keeper.sock"
_PIECE = 1 << 16
_STARTING = 20.0
"""Seconds that the keeper may take until it listens."""


def relay(path: str) -> int:
    """Until one side ends; an exit status."""
    keeper = _connected(path)
    if keeper is None:
        sys.stderr.write("the keeper does not listen: see its log\n")
        return 1
    with keeper:
        while True:
            for ready in select.select([0, keeper], [], [])[0]:
                piece = keeper.recv(_PIECE) if ready is keeper else os.read(0, _PIECE)
                if not piece:
                    return 0
                if ready is keeper:
                    _write(piece)
                else:
                    keeper.sendall(piece)


def _connected(path: str) -> socket.socket | None:
    until = time.monotonic() + _STARTING
    while True:
        found = socket.socket(socket.AF_UNIX)
        try:
            found.connect(path)
        except OSError:
            found.close()
            if time.monotonic() > until:
                return None
            time.sleep(0.05)
        else:
            return found


def _write(piece: bytes) -> None:
    while piece:
        piece = piece[os.write(1, piece) :]


if __name__ == "__main__":
    sys.exit(relay(SOCKET))
