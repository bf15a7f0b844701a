"""What a worker is asked for a call to paste, over its own socket: answered by a real server, well or badly."""

import contextlib
import http.server
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from modelwright.app.supervise.welcome.examples import TensorTold, Told, plain_body
from modelwright.app.supervise.welcome.greeter import told_by

METADATA, DESCRIBED = "/v2/models/m", "/predict/m/openapi.json"


class Worker(http.server.BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        body = self.answers.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("content-length", str(len(body or b"")))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # who has read the status may be gone
            self.wfile.write(body or b"")

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "worker.sock"
    with socketserver.ThreadingUnixStreamServer(str(path), Worker) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield path
        server.shutdown()
        thread.join()


def described(schema: object) -> bytes:
    operation = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    return msgspec.json.encode({"paths": {"/predict/m": {"post": operation}}})


def test_tensors_come_before_a_description(socket: Path) -> None:
    tensor = TensorTold(name="x", datatype="FP32", shape=(-1, 2))
    Worker.answers = {METADATA: msgspec.json.encode({"inputs": [tensor]}), DESCRIBED: described({})}
    assert told_by(socket, "m") == Told(inputs=(tensor,))
    Worker.answers = {METADATA: b'{"inputs":[]}', DESCRIBED: described({"type": "boolean"})}
    assert plain_body(told_by(socket, "m")) == "false"


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {METADATA: b"{"},
        {DESCRIBED: b"[]"},
        {DESCRIBED: b'{"paths": {}}'},
        {DESCRIBED: described({"type": "integer", "minimum": "three"})},
        {DESCRIBED: described({"anyOf": [3]})},
    ],
)
def test_what_no_request_can_be_made_of_is_an_error(socket: Path, answers: dict[str, bytes]) -> None:
    Worker.answers = answers
    with pytest.raises((OSError, ValueError)):
        told_by(socket, "m")
