"""Load on a product's edge while it changes: wrk on connections that are kept, and a stream that goes on meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import threading
from collections.abc import Iterator

from bench.deploy.product import QUICKSTART, STREAM, Product
from bench.load.wrk import Load, read
from bench.process import LOAD_CPU

LONGEST = 600
"""Seconds after which the load ends by itself."""
_KINDS = {"program": (12, 25), "model": (4, 40)}
"""Connections, and milliseconds that each rests after an answer: the machine shall change releases meanwhile, too."""


class Hearing:
    """What was counted, once it is over."""

    def __init__(self) -> None:
        self.loads: dict[str, Load] = {}
        self.streams: list[tuple[str, bool]] = []
        """Of each the version that answered, and whether it came whole."""

    @property
    def requests(self) -> int:
        """Answered or not."""
        return sum(load.requests + load.errors for load in self.loads.values())

    @property
    def failed(self) -> int:
        """Requests that were not answered well, and streams that were cut."""
        return sum(load.errors for load in self.loads.values()) + sum(not whole for _, whole in self.streams)


@contextlib.contextmanager
def load(product: Product) -> Iterator[Hearing]:
    """As long as the block takes."""
    heard, running = Hearing(), dict[str, subprocess.Popen[str]]()
    body = (QUICKSTART / "seven.json").read_text().strip()
    asked = {
        "program": ("/", ""),
        "model": (
            "/v2/models/digits/infer",
            f'wrk.method, wrk.body = "POST", [[{body} ]]; wrk.headers["authorization"] = "Bearer {product.key}"\n',
        ),
    }
    try:
        for name, (connections, rest) in _KINDS.items():
            path, lines = asked[name]
            script = product.folder / f"{name}.lua"
            script.write_text(f"{lines}function delay() return {rest} end\n")
            options = ["-t1", f"-c{connections}", f"-d{LONGEST}s", "--timeout", "10s", "-s", str(script)]
            command = ["taskset", "-c", str(LOAD_CPU), "wrk", *options, product.url + path]
            running[name] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        yield heard
        if any(process.poll() is not None for process in running.values()):
            raise RuntimeError(f"the changes took longer than the {LONGEST} s of the load")
    finally:
        for process in running.values():
            process.send_signal(signal.SIGINT)  # it counts up and ends
        heard.loads = {name: read(process.communicate(timeout=60)[0]) for name, process in running.items()}


@contextlib.contextmanager
def stream(product: Product, heard: Hearing) -> Iterator[None]:
    """Its first word comes before the block begins; its end is waited for behind it."""
    began = threading.Event()
    thread = threading.Thread(target=lambda: heard.streams.append(_listened(product.port, began)))
    thread.start()
    try:
        began.wait(30)
        yield
    finally:
        thread.join(2 * STREAM + 60)


def _listened(port: int, began: threading.Event) -> tuple[str, bool]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    version = ""
    try:
        connection.request("GET", "/stream")
        answer = connection.getresponse()
        version = answer.headers.get("x-version", "")
        for line in answer:
            began.set()
            if line == b"data: end\n":
                return version, True
    except (OSError, http.client.HTTPException):
        pass
    finally:
        began.set()
        connection.close()
    return version, False
