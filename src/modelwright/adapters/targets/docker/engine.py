"""One Docker engine, here or on another machine: calls in threads, each with a bound, and its errors in our words."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any, ParamSpec, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException
from requests import PreparedRequest, Response
from requests.exceptions import RequestException, Timeout
from urllib3.exceptions import HTTPError, ReadTimeoutError

from modelwright.adapters.targets.docker.way import Way, remedy
from modelwright.core.errors.deploying import DeployError, StepFailed, TargetUnreachable

_ANSWER = 60.0
"""Seconds in which the engine has to say something."""
_SILENCE = 300.0
"""Seconds in which something has to be heard of what takes long, such as a layer that is brought."""
_UNPACKING = 900.0
"""Likewise of an image that is loaded: nothing is heard while it is unpacked."""
SILENT = (Timeout, ReadTimeoutError)
"""What it is when nothing was heard: before an answer, and within."""
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
    "nothing was heard": "see that the registry answers, and whatever is between the target and it",
    "no such host": "see that the registry's name is right and that the target knows it",
    "executable file not found": "see that the image has the command",
}
_SOCKETS = {
    "FileNotFoundError": "there is no such socket",
    "ConnectionRefusedError": "nobody listens there",
    "PermissionError": "Permission denied",
}
"""What Python says of one, in words."""
P = ParamSpec("P")
R = TypeVar("R")


class _Client(APIClient):
    """Never waits without end, as docker-py would for whatever takes long."""

    silence = _SILENCE

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = _UNPACKING if str(request.url).endswith("/images/load") else self.silence
        return super().send(request, **kwargs)


class Engine:
    """Connected when it is first called; `close` it."""

    def __init__(self, host: str, *, silence: float = _SILENCE) -> None:
        """`unix:///PATH`, `tcp://HOST:PORT` or `ssh://[USER@]HOST[:PORT][/PATH]`, by the user's own ssh.

        `silence`: seconds in which something has to be heard of what takes long.
        """
        self.host = host
        self.silence = silence
        self._threads = ThreadPoolExecutor(16, thread_name_prefix="docker")
        self._connecting = asyncio.Lock()
        self._api: APIClient | None = None
        self._way: Way | None = None

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
        except (RequestException, HTTPError) as error:
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
                self._way = Way(url)
                url = self._way.url
            _listening(url)
            api = _Client(base_url=url, version="auto", timeout=int(_ANSWER))
            api.silence = self.silence
        except (DockerException, RequestException) as error:
            raise unreachable(self.host, error, said=self._way.said() if self._way else "") from error
        if tuple(map(int, api.api_version.split("."))) < tuple(map(int, _OLDEST.split("."))):
            hint = "Docker 20.10 is the oldest that can be used"
            raise DeployError(f"the engine speaks API {api.api_version} only", hint=hint, place=self.host)
        return api


def _listening(url: str) -> None:
    """Raises DockerException where nobody does: the client would leave its socket open there."""
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(url.removeprefix("unix://"))
            except OSError as error:
                raise DockerException(repr(error)) from error


def unreachable(host: str, error: Exception, *, said: str = "") -> TargetUnreachable:
    """As the client has told it, with the remedy. `said`: by ssh, when it was there and the engine was not."""
    words = said or next((plain for known, plain in _SOCKETS.items() if known in str(error)), str(error))
    if host.startswith("ssh://"):
        hint = remedy(words)
    elif "Permission denied" in words:
        hint = "see that this user may use the engine, by the group docker"
    else:
        hint = "see that Docker runs there; `host` under the target names another place"
    return TargetUnreachable(f"the Docker engine does not answer: {_short(words)}", hint=hint, place=host)


def failed(what: str, error: APIError) -> StepFailed:
    """`what` could not be done; for what the engine is known to say, with the remedy."""
    words = _short(str(error.explanation or error))
    hint = next((hint for known, hint in _HINTS.items() if known.lower() in words.lower()), "")
    return StepFailed(f"{what}: {words}", hint=hint or "mend that on the target, then deploy again")


def _short(words: str) -> str:
    return " ".join(words.split())[:500]
