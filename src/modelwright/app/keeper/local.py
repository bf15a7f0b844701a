"""`python -m modelwright.app.keeper.local FOLDER RUNTIME`: keeps an environment of plain processes.

SIGTERM ends it with all that it keeps, and the next keeper brings all of it back; SIGHUP leaves all of it running.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import sys
from functools import partial
from pathlib import Path

from modelwright.adapters.targets.local.environment import EDGE, INSTANCES, LISTED, STATE
from modelwright.adapters.targets.local.keeping import Keeping
from modelwright.adapters.targets.local.kernel import require_linux
from modelwright.adapters.targets.local.session import SOCKET, keep
from modelwright.app.deploying.edges import CERTIFICATES, SHOWN
from modelwright.app.keeper.edges import edge_here
from modelwright.app.keeper.serving import serve
from modelwright.app.settings.settings import process_environment
from modelwright.core.errors.deploying import DeployError
from modelwright.core.errors.tree import ModelwrightError


def main(folder: Path, runtime: Path) -> int:
    """Until it is asked to end; an exit status."""
    os.umask(0o077)
    os.chdir("/")
    try:
        require_linux()
        if keep(folder) is None:
            return 0
        _lay(folder, runtime)
        keeping = Keeping(folder, env=process_environment())
        beside = partial(edge_here, root=folder / INSTANCES / EDGE)
        asyncio.run(
            serve(
                folder / STATE,
                runtime / EDGE,
                instances=folder / LISTED,
                socket=runtime / SOCKET,
                beside=beside,
                keeping=keeping,
            )
        )
    except ModelwrightError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _lay(folder: Path, runtime: Path) -> None:
    """A short way to the sockets, which nobody else has made; tools that clean up leave a locked folder alone."""
    for name in (CERTIFICATES, SHOWN):
        (folder / EDGE / name).mkdir(parents=True, exist_ok=True)
    (folder / LISTED).mkdir(exist_ok=True)
    runtime.mkdir(mode=0o700, exist_ok=True)
    found = runtime.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise DeployError(f"{runtime} belongs to somebody else", hint="ask its owner, or root, to remove it")
    fcntl.flock(os.open(runtime, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), fcntl.LOCK_SH)
    for name in (SOCKET, EDGE):
        (runtime / name).unlink(missing_ok=True)
    (runtime / EDGE).symlink_to(folder / EDGE)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
