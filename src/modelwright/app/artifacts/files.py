"""Which files a folder has, and how a file is opened that may turn out to be none: a pipe would keep who reads it."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_NO_FILE = ((errno.EINVAL, "it is neither a file nor a folder"), (errno.EISDIR, os.strerror(errno.EISDIR)))


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading; raises OSError, also for pipes, sockets and devices."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(*_NO_FILE[stat.S_ISDIR(mode)], str(path))
    return os.fdopen(descriptor, "rb")


def files_in(folder: Path) -> list[str]:
    """Relative paths of all files in a folder and below, with `/`, sorted; links are followed, to folders too.

    What is no file is left out (see `odd_in`). Raises OSError, also for a folder that may not be read, and for a link
    that leads back to a folder in which it stands.
    """
    return sorted(name for name in _names(folder) if (folder / name).is_file())


def odd_in(folder: Path) -> list[str]:
    """What `files_in` leaves out: links that lead nowhere, pipes, sockets, devices. Raises OSError."""
    return sorted(name for name in _names(folder) if not (folder / name).is_file())


def _names(folder: Path) -> list[str]:
    found: list[str] = []
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        here = Path(place)
        for below in (here / name for name in folders):
            if below.is_symlink() and here.resolve().is_relative_to(below.resolve()):
                raise OSError(errno.ELOOP, "it leads back to a folder in which it stands", str(below))
        found += [(here / name).relative_to(folder).as_posix() for name in names]
    return found


def _refuse(error: OSError) -> None:
    raise error
