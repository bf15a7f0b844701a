"""The folders of one run: the lock, the short runtime directory with its sockets, and the pointer to it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from modelwright.app.supervise.devices.doors import PATH_LIMIT
from modelwright.app.whole_file import write_whole
from modelwright.core.errors.starting import AlreadyRunning, NotRunning, StartError

SUPERVISOR_LOCK = "up.lock"
"""Held by the supervisor alone: it is held exactly while `up` runs."""
WORKERS_LOCK = "workers.lock"
"""Inherited by every worker: held until the last process of a run has ended, also when the supervisor was killed."""
POINTER = "run.json"
_TRIES = 5
_BETWEEN = 0.05


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`: where the sockets of a run are. URLs hold the real ports, `since` is Unix seconds."""

    pid: int
    runtime: str
    public: str
    admin: str
    since: float


class Claim:
    """This process is the one supervisor of a state directory, until `release`."""

    def __init__(self, state: Path, runtime: Path, locks: Sequence[int]) -> None:
        """`locks` are file descriptors: the supervisor's, the workers' and the folder's."""
        self.state = state
        self.runtime = runtime
        self._locks = locks

    @property
    def workers_lock(self) -> int:
        """File descriptor that every worker inherits."""
        return self._locks[1]

    def point(self, pointer: Pointer) -> None:
        """Say where this run is."""
        write_whole(self.state / POINTER, msgspec.json.encode(pointer))

    def release(self) -> None:
        """Leave nothing of the run behind."""
        (self.state / POINTER).unlink(missing_ok=True)
        shutil.rmtree(self.runtime, ignore_errors=True)
        for lock in self._locks:
            with contextlib.suppress(OSError):
                os.close(lock)


def claim(
    state: Path,
    names: Sequence[str],
    *,
    run_folder: str = "",
    patience: float = 40.0,
    say: Callable[[str], None] = lambda _: None,
) -> Claim:
    """Become the supervisor of `state` (made when missing) and make its runtime directory, empty.

    `names` are the parts, whose sockets must fit; `run_folder` is XDG_RUNTIME_DIR or empty. Processes that a killed
    supervisor left finish their calls first: for at most `patience` seconds. Raises AlreadyRunning or StartError.
    """
    _prepare(state)
    supervisor = _lock(state / SUPERVISOR_LOCK)
    if supervisor is None:
        running = read_pointer(state)
        raise AlreadyRunning(
            f"this manifest runs already{f' (pid {running.pid})' if running else ''}",
            hint=f"stop it first: kill {running.pid}" if running else "stop it first",
        )
    locks = [supervisor]
    try:
        locks.append(_wait_for_workers(state, patience=patience, say=say))
        runtime = runtime_folder(state, names, run_folder=run_folder)
        _empty(runtime)
        locks.append(_guard(runtime))
    except BaseException:
        for lock in locks:
            os.close(lock)
        raise
    return Claim(state, runtime, locks)


def running(state: Path) -> Pointer:
    """The run of this state directory; raises NotRunning, also for a pointer that a killed supervisor left."""
    pointer = read_pointer(state)
    if pointer is None or not _held(state / SUPERVISOR_LOCK):
        raise NotRunning("nothing of this manifest runs", hint="start it: modelwright up")
    return pointer


def read_pointer(state: Path) -> Pointer | None:
    """What `run.json` says, true or stale; None when there is none or it cannot be read."""
    try:
        return msgspec.json.decode((state / POINTER).read_bytes(), type=Pointer)
    except (OSError, msgspec.MsgspecError):
        return None


def runtime_folder(state: Path, names: Sequence[str], *, run_folder: str = "") -> Path:
    """The first folder in which every part's socket fits: in `run_folder` when it is ours, then in /tmp.

    Raises StartError when a name is too long for any.
    """
    mark = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:12]
    longest = max((*names, "control"), key=len) + ".sock"
    folders = [Path("/tmp") / f"modelwright-{os.getuid()}-{mark}"]  # noqa: S108 - our own folder in it is 0700
    if run_folder and _ours(Path(run_folder)):
        folders.insert(0, Path(run_folder) / f"modelwright-{mark}")
    for folder in folders:
        if len(os.fsencode(folder / longest)) < PATH_LIMIT:
            return folder
    spare = PATH_LIMIT - 1 - len(os.fsencode(folders[-1])) - len("/serving--0.sock")
    raise StartError(
        f"{longest.removesuffix('.sock')}: the name is too long for a socket's path",
        hint=f"shorten the model's name to {spare} characters",
    )


def _prepare(state: Path) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = state / ".gitignore"
        if not ignore.exists():
            ignore.write_text("# Keys, ledger and logs stay on this machine.\n*\n", "utf-8")
    except OSError as error:
        raise StartError(
            f"{state} cannot be written: {error.strerror}",
            hint="state is kept beside the manifest: let this user write there",
        ) from error


def _wait_for_workers(state: Path, *, patience: float, say: Callable[[str], None]) -> int:
    until = time.monotonic() + patience
    told = False
    while (lock := _lock(state / WORKERS_LOCK, tries=1)) is None:
        if not told:
            say("processes of an earlier run finish their calls")
            told = True
        if time.monotonic() > until:
            raise AlreadyRunning("processes of an earlier run have not ended", hint="find them: pgrep -f modelwright")
        time.sleep(_BETWEEN)
    return lock


def _lock(path: Path, *, tries: int = _TRIES) -> int | None:
    """Take the lock; None when it is held. Several tries, since `status` takes it for a moment to look."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"{path} cannot be opened: {error.strerror}") from error
    for attempt in range(tries):
        if attempt:
            time.sleep(_BETWEEN)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    os.close(descriptor)
    return None


def _held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _guard(folder: Path) -> int:
    """Lock the folder itself: tools that clean temporary folders by age (systemd-tmpfiles) leave a locked one alone."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and os.access(folder, os.W_OK)


def _empty(folder: Path) -> None:
    """Make the folder, or take over the one of a run that was killed; somebody else's is refused."""
    try:
        folder.mkdir(mode=0o700)
        return
    except FileExistsError:
        if not _ours(folder):
            raise StartError(f"{folder} belongs to somebody else", hint="remove it, or set XDG_RUNTIME_DIR") from None
    except OSError as error:
        raise StartError(f"{folder} cannot be made: {error.strerror}", hint="set XDG_RUNTIME_DIR") from error
    folder.chmod(0o700)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
