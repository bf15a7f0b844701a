"""One Docker engine, here or on another machine: calls in threads, each with a bound, and its errors in our words."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import IO, ParamSpec, TypeVar
from urllib.parse import urlsplit

from docker import APIClient
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from modelwright.core.errors.deploying import DeployError, StepFailed, TargetUnreachable

_ANSWER = 60.0
"""Seconds in which the engine has to say something."""
_CONNECT = 20.0
_OLDEST = "1.41"
"""Of the engine's API: Docker 20.10."""
_HINTS = {
    "port is already allocated": "end what has the port, or publish another one",
    "address already in use": "end what has the port, or publish another one",
    "no space left on device": "make room on the target's disk; `docker system df` shows what takes it",
    "No such image": "package it, or push it to where the target can pull it",
    "manifest unknown": "push the image, or see that its name is right",
    "denied": "log in to the registry with `docker login` on this machine",
    "unauthorized": "log in to the registry with `docker login` on this machine",
    "could not select device driver": "install NVIDIA's container toolkit on the target, or ask for no GPU",
    "connection refused": "see that the registry runs and that the target reaches it",
    "no such host": "see that the registry's name is right and that the target knows it",
    "executable file not found": "see that the image has the command",
}
P = ParamSpec("P")
R = TypeVar("R")


class Engine:
    """Connected when it is first called; `close` it."""

    def __init__(self, host: str) -> None:
        """`unix:///PATH`, `tcp://HOST:PORT` or `ssh://[USER@]HOST[:PORT][/PATH]`, by the user's own ssh."""
        self.host = host
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="docker")
        self._connecting = asyncio.Lock()
        self._api: APIClient | None = None
        self._way: _Way | None = None

    async def api(self) -> APIClient:
        """Raises TargetUnreachable."""
        async with self._connecting:
            if self._api is None:
                self._api = await self._in_thread(self._connect)
            return self._api

    async def call(self, verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """One verb of the client, or several. Raises APIError, and TargetUnreachable when there is no answer.

        Whoever is cancelled meanwhile lets go when it has ended.
        """
        return await self.long(lambda _: verb(*args, **kwargs))

    async def long(self, verb: Callable[[Event], R]) -> R:
        """Likewise; what may take longer than one answer looks whether it is still wanted."""
        unwanted = Event()
        work = asyncio.ensure_future(self._in_thread(partial(verb, unwanted)))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            unwanted.set()
            await asyncio.wait([work])
            raise
        except APIError:  # one of those below, too, as far as the client is concerned
            raise
        except RequestException as error:
            raise unreachable(self.host, error) from error

    async def close(self) -> None:
        if self._api is not None:
            self._api.close()
        if self._way is not None:
            await self._in_thread(self._way.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, verb: Callable[[], R]) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, verb)

    def _connect(self) -> APIClient:
        url = self.host
        try:
            if url.startswith("ssh://"):
                self._way = _Way(url)
                url = self._way.url
            api = APIClient(base_url=url, version="auto", timeout=int(_ANSWER))
        except (DockerException, RequestException) as error:
            raise unreachable(self.host, error) from error
        if tuple(map(int, api.api_version.split("."))) < tuple(map(int, _OLDEST.split("."))):
            hint = "Docker 20.10 is the oldest that can be used"
            raise DeployError(f"the engine speaks API {api.api_version} only", hint=hint, place=self.host)
        return api


class _Way:
    """Leads a socket of this machine to the engine's on another one; gone when this process is, however that went."""

    def __init__(self, host: str) -> None:
        parts = urlsplit(host)
        self._folder = tempfile.TemporaryDirectory(prefix="modelwright-")
        socket = Path(self._folder.name) / "docker.sock"
        self.url = f"unix://{socket}"
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the rest
        there = f"{parts.username}@{parts.hostname}" if parts.username else str(parts.hostname)
        options = ["-oBatchMode=yes", "-oExitOnForwardFailure=yes", "-oServerAliveInterval=10", "-oControlPath=none"]
        options += [f"-oConnectTimeout={_CONNECT:.0f}", *(["-p", str(parts.port)] if parts.port else [])]
        forward = f"-L{socket}:{parts.path or '/var/run/docker.sock'}"
        self._ssh = subprocess.Popen(
            ["ssh", *options, forward, "--", there, "echo up; exec cat"],  # noqa: S607 - the user's own
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        assert self._ssh.stdout is not None  # noqa: S101 - a pipe, as was asked for
        if self._ssh.stdout.readline() != b"up\n":
            words = self._words()
            self.close()
            raise DockerException(words)

    def close(self) -> None:
        if self._ssh.stdin is not None:
            self._ssh.stdin.close()
        try:
            self._ssh.wait(2.0)
        except subprocess.TimeoutExpired:
            self._ssh.kill()
            self._ssh.wait()
        if self._ssh.stdout is not None:
            self._ssh.stdout.close()
        self._said.close()
        self._folder.cleanup()

    def _words(self) -> str:
        self._ssh.wait()
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "ssh has ended without a word"


def unreachable(host: str, error: Exception) -> TargetUnreachable:
    """As the client has told it, with the remedy."""
    words = str(error)
    if "Permission denied" in words and host.startswith("ssh://"):
        hint = "see that your key is on the host: `ssh` has to let you in without a question"
    elif "Permission denied" in words:
        hint = "see that this user may use the engine, by the group docker"
    elif host.startswith("ssh://"):
        hint = "see that `ssh` to it works, and that Docker runs there and its user may use it"
    else:
        hint = "see that Docker runs there"
    return TargetUnreachable(f"the Docker engine does not answer: {_short(words)}", hint=hint, place=host)


def failed(what: str, error: APIError) -> StepFailed:
    """`what` could not be done; for what the engine is known to say, with the remedy."""
    words = _short(str(error.explanation or error))
    hint = next((hint for known, hint in _HINTS.items() if known.lower() in words.lower()), "")
    return StepFailed(f"{what}: {words}", hint=hint or "mend that on the target, then deploy again")


def _short(words: str) -> str:
    return " ".join(words.split())[:500]
