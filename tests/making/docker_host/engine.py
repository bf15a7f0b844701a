"""A real Docker engine for tests: the one that answers here, otherwise Debian's own, started in a scratch folder.

with engine.project() as name:     a name for a manifest; all that bears it is removed afterwards
    engine.client                  docker-py's, on this engine
    engine.environment             what a program needs to find it: DOCKER_HOST
    engine.containers(name)        by label, the newest first
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import docker
from docker.errors import DockerException
from docker.models.containers import Container

from tests.making.docker_host.kept import RUN, keep, put_away
from tests.making.docker_host.projects import LABEL, Filters, sweep

_SOCKET = Path("/var/run/docker.sock")
_FOLDER = Path(tempfile.gettempdir()) / f"modelwright-engine-{RUN}"
"""One for all workers of this run."""
_SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()


class NoEngineError(Exception):
    """No engine answers, and none can be started; the text says why."""


class Engine:
    """One that answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.environment = {"DOCKER_HOST": url}
        self.client = docker.DockerClient(url, timeout=120)
        self._prefix = f"t{RUN}-"
        self._swept = False
        self.process: subprocess.Popen[bytes] | None = None
        """Of one that was started apart."""

    def end(self) -> None:
        """As when its machine loses its power: nothing of it has time for a word, and nothing is left."""
        if self.process is None or self.process.poll() is not None:
            return
        for container in self.client.containers.list(all=True, ignore_removed=True):
            container.remove(force=True)
        self.process.kill()
        self.process.wait(timeout=60)

    def close(self) -> None:
        self.client.close()

    @contextlib.contextmanager
    def project(self) -> Iterator[str]:
        """A name that nobody has; whatever is labelled with it is removed, also when the run is killed."""
        if not self._swept:
            keep(self.url, self._prefix)
            self._swept = True
        name = f"{self._prefix}{secrets.token_hex(3)}"
        try:
            yield name
        finally:
            sweep(self.client, name.__eq__)

    def containers(self, project: str) -> list[Container]:
        """Of a project, stopped ones too."""
        labelled: Filters = {"label": f"{LABEL}={project}"}
        return self.client.containers.list(all=True, filters=labelled, ignore_removed=True)


def engine_for_tests() -> Engine:
    """The one that DOCKER_HOST names, the one at the usual place, or our own.

    Raises:
        NoEngineError: There is none.
    """
    named = os.environ.get("DOCKER_HOST")
    if named:
        return _answering(named) or _none(f"nothing answers at DOCKER_HOST={named}")
    return _answering(f"unix://{_SOCKET}") or _own()


@contextlib.contextmanager
def builder_engine() -> Iterator[Engine]:
    """A second one, root's, that builds and holds images; in a network of its own, or it would take the first one's."""
    folder = Path(tempfile.mkdtemp(prefix="modelwright-builder-"))
    try:
        process, engine = started(folder, "--bridge=none")
        try:
            with contextlib.closing(engine):
                yield engine
        finally:
            process.terminate()
            process.wait(timeout=60)
    finally:
        put_away(folder)


def started(folder: Path, *more: str) -> tuple[subprocess.Popen[bytes], Engine]:
    """A dockerd with its data in there, in a network of its own."""
    program = shutil.which("dockerd", path=_SBIN)
    assert program, "dockerd is not installed: sh tests/system-packages.sh dockerd"
    url = f"unix://{folder}/docker.sock"
    options = [f"--host={url}", f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    options += ["--iptables=false", "--ip6tables=false", "--log-level=warn", *more]
    with (folder / "log").open("ab") as log:
        apart = ["unshare", "--net", *_WITH_US]
        process = subprocess.Popen([*apart, program, *options], stdout=log, stderr=log, env={"PATH": _SBIN})
    engine = _when_up(url, lambda: process.poll() is not None)
    if engine is None:
        process.kill()
        process.wait(timeout=60)
        _none((folder / "log").read_text()[-2000:])
    assert engine is not None
    return process, engine


@contextlib.contextmanager
def engine_apart(apart: Sequence[str], options: Sequence[str] = (), *, keeping: Sequence[int] = ()) -> Iterator[Engine]:
    """Another one, root's; `apart` puts it into a network of its own, by the files that it is `keeping`."""
    program = shutil.which("dockerd", path=_SBIN)
    assert program, "dockerd is not installed: sh tests/system-packages.sh dockerd"
    folder = Path(tempfile.mkdtemp(prefix="modelwright-engine-"))
    url = f"unix://{folder}/docker.sock"
    own = [f"--host={url}", f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    command = [*apart, *_WITH_US, program, *own, "--shutdown-timeout=2", "--log-level=warn", *options]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"PATH": _SBIN}, pass_fds=keeping)
    try:
        engine = _when_up(url, lambda: process.poll() is not None) or _none((folder / "log").read_text()[-2000:])
        engine.process = process
        with contextlib.closing(engine):
            yield engine
    finally:
        process.terminate()
        process.wait(timeout=60)
        put_away(folder)


def _when_up(url: str, over: Callable[[], bool]) -> Engine | None:
    for _ in range(1200):
        engine = _answering(url)
        if engine or over():
            return engine
        time.sleep(0.1)
    return None


def _answering(url: str) -> Engine | None:
    if url.startswith("unix://") and not _listens(url.removeprefix("unix://")):
        return None
    with contextlib.suppress(DockerException):
        engine = Engine(url)
        with contextlib.suppress(DockerException):
            if engine.client.ping():
                return engine
        engine.close()
    return None


def _listens(path: str) -> bool:
    """docker-py leaves its socket open where nobody does."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(path)
        return True
    return False


def _none(why: str) -> Engine:
    raise NoEngineError(f"no Docker engine for the tests: {why}")


def _own() -> Engine:
    program = shutil.which("dockerd", path=_SBIN)
    if os.geteuid() != 0 or program is None:
        return _none("none answers, and only root with Debian's docker.io can start one; set DOCKER_HOST to yours")
    _FOLDER.mkdir(mode=0o711, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        url = f"unix://{_FOLDER}/docker.sock"
        return _answering(url) or _started(program, url)


def _started(program: str, url: str) -> Engine:
    if _another_runs():
        shutil.rmtree(_FOLDER, ignore_errors=True)
        return _none("a dockerd runs, but not where it is looked for, and two would share rules of the firewall;"
                     " set DOCKER_HOST to it")  # fmt: skip
    keeper = keep(
        str(_FOLDER), "env", f"PATH={_SBIN}", program, f"--host={url}", f"--data-root={_FOLDER}/data",
        f"--exec-root={_FOLDER}/exec", f"--pidfile={_FOLDER}/pid", "--shutdown-timeout=2", "--log-level=warn",
    )  # fmt: skip
    engine = _when_up(url, lambda: os.waitpid(keeper, os.WNOHANG) != (0, 0))
    if engine:
        return engine
    log = _FOLDER / "log"
    return _none(f"dockerd does not start: {log.read_text()[-2000:] if log.exists() else 'no log'}")


def _another_runs() -> bool:
    """That of the run before may still be ending."""
    for _ in range(100):
        names = [_read(path) for path in Path("/proc").glob("[0-9]*/comm")]
        if "dockerd" not in names:
            return False
        time.sleep(0.1)
    return True


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return ""
