"""An upstream that shouts back whatever it was sent, headers and key and all, with any status."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Self


class Echo:
    """It answers with a whole body, or with one event of a stream."""

    def __init__(self, status: int, *, as_event: bool = False) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._server.getsockname()[1]}/v1"
        self.heard: list[str] = []
        """Every request's head."""
        self.says(status, as_event=as_event)
        self._pool = ThreadPoolExecutor(1)
        self._pool.submit(self._serve)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._pool.shutdown()

    def says(self, status: int, *, as_event: bool = False) -> None:
        """From now on."""
        self._status = status
        self._event = as_event

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        heard = b""
        while b"\r\n\r\n" not in heard:
            data = client.recv(65536)
            if not data:
                return
            heard += data
        words = heard.decode("latin-1")
        self.heard.append(words)
        secret = words.partition("authorization: Bearer ")[2].partition("\r\n")[0]
        told = json.dumps({"error": {"message": f"you sent {words}", "code": self._status}})
        body = f"data: {told}\n\n" if self._event else told
        kind = "text/event-stream" if self._event else "application/json"
        status = 200 if self._event else self._status
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        client.sendall(f"{head}x-secret: {secret}\r\nconnection: close\r\n\r\n{body}".encode())
