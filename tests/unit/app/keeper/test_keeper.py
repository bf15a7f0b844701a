"""A keeper answers over a socket and through its relay, side by side, and says of an instance what its gate sees."""

from __future__ import annotations

import asyncio
import http.server
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.adapters.targets.folder.files import Files
from modelwright.adapters.targets.folder.state import State
from modelwright.adapters.targets.kept import Deliver, Direct, Listed, Listing, Look, Mask, Memory, Probe, Streams, Take
from modelwright.adapters.targets.wire import Asked, Told, error_from, fault_of
from modelwright.app.keeper.probing import probe
from modelwright.app.keeper.serving import serve
from modelwright.core.deploying.front import Front
from modelwright.core.deploying.workloads import Gate
from modelwright.core.errors.deploying import DeployError, LeaseHeld, LeaseLost, StepFailed
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.deploying.targets import Lease
from tests.making.ports import free_port

KEY = f"sha256:{'a' * 64}"


class Client:
    """Through a relay, as one who came in by `docker exec`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = iter(range(1000))

    async def send(self, question: Any) -> int:
        assert self._process.stdin is not None
        number = next(self._numbers)
        self._process.stdin.write(msgspec.json.encode(Asked(number=number, question=question)) + b"\n")
        await self._process.stdin.drain()
        return number

    async def hear(self) -> Told:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            return msgspec.json.decode(await self._process.stdout.readline(), type=Told)

    async def ask(self, question: Any) -> Told:
        await self.send(question)
        return await self.hear()


@asynccontextmanager
async def keeper(folder: Path) -> AsyncIterator[Client]:
    state, edge, place = folder / "state", folder / "edge", folder / "keeper.sock"
    edge.mkdir()
    serving = asyncio.create_task(serve(state, edge, instances=edge, socket=place))
    program = f"from modelwright.app.keeper.relay import relay; raise SystemExit(relay({str(place)!r}))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Client(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0
        serving.cancel()
        await asyncio.wait([serving])


class Gates(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        good = {"/ready": True, "/key": self.headers["authorization"] == "Bearer mw-key"}
        self.send_response(200 if good.get(self.path) else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(201 if body == b'{"x": 1}' else 400)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@contextmanager
def instance() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gates) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


async def test_it_answers_through_its_relay(tmp_path: Path) -> None:
    async with keeper(tmp_path) as client:
        lease = msgspec.json.decode((await client.ask(Take(owner="ada"))).answer, type=Lease)
        refused = await client.ask(Take(owner="bob"))
        assert refused.error is not None
        with pytest.raises(LeaseHeld, match="ada") as held:
            raise error_from(refused.error)
        assert held.value.until == lease.until
        memory = msgspec.json.decode((await client.ask(Look())).answer, type=Memory)
        assert memory.lease == lease
        assert (await client.ask(Streams(workload="api", release="r1"))).answer == msgspec.Raw(b"0")


async def test_monitors_read_from_a_file_which_instances_there_are(tmp_path: Path) -> None:
    file = tmp_path / "edge" / "instances.json"
    one = Listed(host="gateway-r2-0", workload="gateway", release="r2")
    async with keeper(tmp_path) as client:
        lease = msgspec.json.decode((await client.ask(Take(owner="ada"))).answer, type=Lease)
        assert (await client.ask(Listing(epoch=lease.epoch, instances=(one,)))).error is None
        told = [{"targets": ["gateway-r2-0"], "labels": {"workload": "gateway", "release": "r2"}}]
        assert msgspec.json.decode(file.read_bytes()) == told
        assert file.stat().st_mode & 0o777 == 0o644, "whoever they run as"
        late = await client.ask(Listing(epoch=lease.epoch - 1, instances=()))
        assert late.error is not None
        assert msgspec.json.decode(file.read_bytes()) == told


async def test_what_takes_long_holds_nobody_up(tmp_path: Path) -> None:
    async with keeper(tmp_path) as client:
        with silent() as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            slow = await client.send(Probe(address=address, gate=Gate(path="/"), within=200.0))
            quick = await client.send(Look())
            assert (await client.hear()).number == quick
        assert (await client.hear()).number == slow


async def test_a_line_that_is_no_question_is_refused(tmp_path: Path) -> None:
    async with keeper(tmp_path) as client:
        told = await client.ask({"ask": "nonsense"})
        assert told.error is not None
        assert (await client.ask(Look())).error is None


async def test_whatever_goes_wrong_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with keeper(tmp_path) as client:
        with monkeypatch.context() as patched:
            patched.setattr(State, "answer", lambda *_: int("x"))
            told = await client.ask(Look())
        assert told.error is not None
        assert isinstance(error_from(told.error), StepFailed)
        assert told.error.message == ("the keeper failed: ValueError(\"invalid literal for int() with base 10: 'x'\")")
        assert (await client.ask(Look())).error is None


async def test_it_masks_what_it_keeps_and_directs_under_a_lease_only(tmp_path: Path) -> None:
    async with keeper(tmp_path) as client:
        lease = msgspec.json.decode((await client.ask(Take(owner="ada"))).answer, type=Lease)
        secret = Deliver(epoch=lease.epoch, digest=KEY, offset=0, piece=b"hunter22", last=True, user=os.geteuid())
        assert (await client.ask(secret)).error is None
        assert (await client.ask(Mask(text="it is hunter22"))).answer == msgspec.Raw(b'"it is ***"')
        assert (await client.ask(Direct(epoch=lease.epoch, front=Front()))).error is None
        late = await client.ask(Direct(epoch=lease.epoch - 1, front=Front()))
        assert late.error is not None
        assert isinstance(error_from(late.error), LeaseLost)
        unknown = await client.ask(Direct(epoch=lease.epoch, front=Front(kind="apache")))
        assert unknown.error is not None
        assert "apache" in unknown.error.message


@contextmanager
def silent() -> Iterator[socket.socket]:
    """Takes connections and says nothing, until it is gone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (Gate(path="/ready"), ""),
        (Gate(path="/other"), "GET /other answers 503, not 200"),
        (Gate(path="/other", status=503), ""),
        (Gate(path="/infer", method="POST", body='{"x": 1}', status=201), ""),
        (Gate(path="/infer", method="POST", body='{"x": 2}', status=201), "POST /infer answers 400, not 201"),
        (Gate(path="/key", bearer=KEY), ""),
        (Gate(path="/key", bearer=f"sha256:{'b' * 64}"), "the key for its gate is not on the target"),
        (Gate(path="/key", ready="/other"), "GET /other answers 503, not 200"),
        (Gate(path="/ready", ready="/ready"), ""),
        (Gate(path=""), ""),
    ],
)
def test_an_instance_passes_its_gate_or_it_is_said_why_not(tmp_path: Path, gate: Gate, words: str) -> None:
    with instance() as address:
        assert probe(Probe(address=address, gate=gate), files(tmp_path)) == words


@pytest.mark.parametrize("path", ["", "/"])
def test_what_does_not_answer_is_said(tmp_path: Path, path: str) -> None:
    closed = f"127.0.0.1:{free_port()}"
    assert "refused" in probe(Probe(address=closed, gate=Gate(path=path)), files(tmp_path))
    unknown = probe(Probe(address="nobody.invalid:80", gate=Gate(path=path)), files(tmp_path))
    assert unknown == "nobody.invalid:80 is not known by its name"


def test_silence_is_no_answer(tmp_path: Path) -> None:
    with silent() as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        asked = Probe(address=address, gate=Gate(path="/"), within=0.2)
        assert probe(asked, files(tmp_path)) == f"{address} does not answer in time"


@pytest.mark.parametrize(
    "error",
    [
        LeaseHeld("a", hint="b", until=3.0),
        LeaseLost("a", hint="b"),
        StepFailed("a", hint="b", place="c"),
        DeployError("a"),
    ],
)
def test_an_error_is_the_same_on_the_other_side(error: DeployError) -> None:
    back = error_from(msgspec.json.decode(msgspec.json.encode(fault_of(error)), type=type(fault_of(error))))
    assert (type(back), str(back)) == (type(error), str(error))


def files(folder: Path) -> Files:
    state = State(folder, clock=ManualClock())
    state.answer(Deliver(epoch=0, digest=KEY, offset=0, piece=b"mw-key\n", last=True, user=os.geteuid()))
    return state.files
