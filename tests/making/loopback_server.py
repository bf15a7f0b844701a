"""What the stand-ins for services on HTTP have in common: a server on a free port of this machine, in a thread."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LoopbackServer:
    """One that answers from when it is entered until it is left."""

    def __init__(
        self, handler: type[BaseHTTPRequestHandler], *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        """`handler` is given this server as its attribute `site`; `host` is how the address names this machine."""
        facts: dict[str, Any] = {"site": self}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), facts))
        self._server.daemon_threads = True
        if tls is not None:
            # Each connection shakes hands in its own thread: one that never does holds up nobody.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"http{'s' if tls else ''}://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
