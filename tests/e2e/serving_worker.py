"""A real serving worker process for tests, without supervisor and gateway: its own port, its notices, its end.

with serving(tmp_path, toy(tmp_path), delay_ms=5) as worker:
    worker.infer([[1, 2, 3, 4]])
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from modelwright.app.parts import ModelPart, Notice, PartSpec
from modelwright.core.status import Busy
from tests.e2e.clients import patient
from tests.e2e.running import Reply

INFER = "/v2/models/m/infer"


class Worker:
    """A running serving worker of a model named `m`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, notices: int) -> None:
        self.process = process
        self.pid = process.pid
        self.port = port
        self.notices: list[Notice] = []
        self._reader = threading.Thread(target=self._read, args=(notices,), daemon=True)
        self._reader.start()

    @property
    def state(self) -> str:
        """Its last word."""
        return self.notices[-1].state if self.notices else ""

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def infer(self, rows: list[list[float]], **more: Any) -> Reply:
        """One JSON inference of the toy's or a like model's input `x`."""
        return self.call("POST", INFER, request(rows, **more))

    def busy(self) -> Busy:
        """Its numbers."""
        return msgspec.json.decode(self.call("GET", "/status").body, type=Busy)

    def metric(self, name: str) -> float:
        """One sample of `/metrics` without labels but the model's."""
        text = self.call("GET", "/metrics").body.decode()
        line = next(line for line in text.splitlines() if line.startswith(f'modelwright_serving_{name}{{model="m"}}'))
        return float(line.rpartition(" ")[2])

    def wait_for(self, state: str) -> Notice:
        """Until it says so."""
        patient(lambda: self.state == state, waiting_for=f"{state}; it said {self.notices}")
        return self.notices[-1]

    def end(self) -> int:
        """Wait for its end; its exit status."""
        return self.process.wait(timeout=60)

    def _read(self, notices: int) -> None:
        with os.fdopen(notices, "rb") as lines:
            for line in lines:
                self.notices.append(msgspec.json.decode(line, type=Notice))


def request(rows: list[list[float]], **more: Any) -> bytes:
    """A JSON inference request."""
    shape = [len(rows), len(rows[0])]
    return msgspec.json.encode({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": rows}], **more})


def first_column(reply: Reply) -> list[float]:
    """Of output `y`, which has as many columns as the input."""
    assert reply.status == 200, reply
    output = reply.json()["outputs"][0]
    return output["data"][:: output["shape"][1]]


def toy(folder: Path, **options: Any) -> ModelPart:
    """The toy engine's model of four columns, with options of the engine."""
    path = folder / "toy.json"
    path.write_bytes(b'{"toy": 1, "columns": 4}')
    return ModelPart(model="m", engine="toy-tensor", wire="v2", path=str(path), options=options)


@contextmanager
def serving(folder: Path, model: ModelPart, *, ready: bool = True, **settings: Any) -> Iterator[Worker]:
    """Run a worker; `settings` are fields of ModelPart that win over `model`'s."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    told, notify = os.pipe()
    spec = PartSpec(
        name="serving-m-0",
        kind="serving",
        runtime=str(folder),
        state=str(folder),
        base=str(folder),
        environment="test",
        sockets={"own": listening.fileno()},
        notify=notify,
        model=msgspec.structs.replace(model, **settings),
    )
    file = folder / "serving-m-0.json"
    file.write_bytes(msgspec.json.encode(spec))
    port: int = listening.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "modelwright.app.workers.serving", str(file)], pass_fds=(listening.fileno(), notify)
    )
    os.close(notify)
    listening.close()
    worker = Worker(process, port, told)
    try:
        if ready:
            worker.wait_for("ready")
        yield worker
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
