"""Clients that call for as long as a door is open, and count every request that got no answer."""

import http.client
import threading
from collections.abc import Callable
from functools import partial
from typing import Self

from modelwright.app.supervise import ask as asking

ask = partial(asking.ask, within=60.0)
"""A question to a worker over its Unix socket, as the product asks it, and with more patience."""


class Hammer:
    """`connections` keep-alive clients, each sending one request after the other until the door is closed to it."""

    def __init__(
        self, port: int, path: str = "/", *, connections: int = 8, body: bytes | None = None, **headers: str
    ) -> None:
        self.answered = 0
        self.refused = 0
        self.lost: list[str] = []
        self._port = port
        self._request = ("POST" if body else "GET", path, body, headers)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(connections)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.join()

    def join(self) -> None:
        """Until every client has found the door closed, or was stopped."""
        for thread in self._threads:
            thread.join(timeout=60)

    def wait_for(self, answers: int) -> None:
        """Until so many requests were answered."""
        patient(lambda: self.answered >= answers)

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            try:
                connection.connect()
            except OSError:
                with self._lock:
                    self.refused += 1
                return
            try:
                self._converse(connection)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.lost.append(repr(error))
            connection.close()

    def _converse(self, connection: http.client.HTTPConnection) -> None:
        """Requests over one connection, until an answer closes it."""
        method, path, body, headers = self._request
        while not self._stop.is_set():
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            with self._lock:
                self.answered += 1
                if answer.status >= 400:
                    self.lost.append(f"status {answer.status}")
            if answer.will_close:
                return


def patient(done: Callable[[], bool], *, seconds: float = 60.0, waiting_for: str = "it") -> None:
    """Wait until something is so; fails the test when it is not in time."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if done():
            return
        pause.wait(0.02)
    raise AssertionError(f"waited {seconds:g} s for {waiting_for}")
