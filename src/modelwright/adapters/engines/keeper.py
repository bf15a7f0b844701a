"""Runs one command and sees to it that it ends with whoever started it; a program of its own, nothing imports it.

usage: keeper.py LIFELINE GRACE COMMAND…

LIFELINE is a file descriptor that reads end-of-file when the starter is gone, however that went. Then, and on SIGTERM,
the command is asked to end; after GRACE seconds it is killed, and with it whatever processes it has left behind. Should
this program be killed itself, the kernel kills the command (on Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

NOT_FOUND = 127
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, of prctl(2)


def keep(command: Sequence[str], *, lifeline: int, grace: float) -> int:
    """Run it to its end; its exit status, as a shell tells it."""
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_parent  # noqa: PLW1509
        )  # fmt: skip
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return NOT_FOUND
    until = None
    while child.poll() is None:
        wait = None if until is None else max(0.0, until - time.monotonic())
        ready, _, _ = select.select([woken] if until else [woken, lifeline], [], [], wait)
        told = os.read(woken, 64) if woken in ready else b""
        if until is None and (lifeline in ready or signal.SIGTERM in told or signal.SIGINT in told):
            child.terminate()
            until = time.monotonic() + grace
        elif until is not None and time.monotonic() >= until:
            _kill_group(child.pid)
    _kill_group(child.pid)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    with contextlib.suppress(AttributeError):  # other systems have no such call
        _libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(keep(sys.argv[3:], lifeline=int(sys.argv[1]), grace=float(sys.argv[2])))
