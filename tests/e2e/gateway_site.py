"""A real gateway worker with a hand-written snapshot, and a real dev provider behind it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Endpoint, Key, ProviderEntry, Snapshot, Timeouts, Variant
from modelwright.core.keys import compose_key, key_digest
from modelwright.core.status import Busy
from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.running import Reply, program

PEPPER = "pepper-of-the-tests"
PROVIDER_KEY = "sk-planted-secret-0123456789"
KEY_ID, KEY = compose_key(bytes(range(29)))
CHAT = "/v1/chat/completions"
QUESTION = {"model": "chat", "messages": [{"role": "user", "content": "What is 3 plus 4?"}]}
QUICK = Timeouts(connect=1.0, first_token=1.0, idle=0.6, total=20.0)
"""For those who wait until they have passed."""
PATIENT = Timeouts(connect=30.0, first_token=60.0, idle=60.0, total=120.0)
"""For all others: no machine is so slow that they pass."""


class DevProvider:
    """A running `modelwright dev-provider`."""

    def __init__(self, *options: str, key: str = "") -> None:
        """`key` is the only one that it takes, unless it is empty."""
        command = [*program(), "dev-provider", "--port", "0", "--json", "--delay", "5ms", *options]
        env = {**os.environ, "MODELWRIGHT_DEV_KEY": key}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
        assert self.process.stdout
        told = json.loads(self.process.stdout.readline())
        self.port: int = told["port"]
        self.base_url = f"{told['url']}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.stdout
        self.process.stdout.close()
        self.process.wait(timeout=30)

    def fails(self, *faults: str) -> None:
        """From now on, and forget what has arrived."""
        self._ask("POST", "/dev/reset")
        self._ask("POST", "/dev/faults", {"faults": list(faults)})

    def release(self) -> None:
        """What `hold` keeps goes on, and nothing fails any more; what has arrived stays known."""
        self._ask("POST", "/dev/faults", {"faults": []})

    def seen(self, *, secrets: bool = False, after: int = 0) -> dict[str, Any]:
        """What has arrived since; the requests after one of this number."""
        return self._ask("GET", f"/dev/requests?after={after}" + ("&authorization=show" if secrets else ""))

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self.seen()["requests"]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body is not None else None)
            return json.loads(connection.getresponse().read())


def remote(url: str, *, name: str = "dev", **changes: Any) -> ProviderEntry:
    """An entry for a dev provider."""
    return msgspec.structs.replace(
        ProviderEntry(name=name, kind="vllm", base_urls=(url,), keys=("${secret:PROVIDER_KEY}",)), **changes
    )


def chat_endpoint(*, provider: str = "dev", **changes: Any) -> Endpoint:
    """`chat`, answered by one variant."""
    endpoint = Endpoint(
        name="chat",
        operations=("chat", "completions", "embeddings"),
        variants=(Variant(name="main", provider=provider, model="vendor-model"),),
        timeouts=PATIENT,
    )
    return msgspec.structs.replace(endpoint, **changes)


def key(number: int = 0, **changes: Any) -> tuple[str, Key]:
    """A key as the client sends it and as the snapshot holds it."""
    key_id, secret = compose_key(bytes([number]) + bytes(range(1, 29)))
    known = Key(id=key_id, digest=key_digest(PEPPER.encode(), secret), name=f"key-{number}", tenant="tests")
    return secret, msgspec.structs.replace(known, **changes)


def snapshot(url: str, **changes: Any) -> Snapshot:
    """One endpoint, one provider, one key."""
    known = Snapshot(
        serial=1,
        name="tests",
        environment="development",
        manifest="sha256:manifest",
        release="sha256:release",
        auth="required",
        split_salt="00" * 16,
        max_body=1 << 20,
        max_in_flight=2000,
        endpoints=(chat_endpoint(),),
        providers=(remote(url),),
        keys=(Key(id=KEY_ID, digest=key_digest(PEPPER.encode(), KEY), name="tests", tenant="tests"),),
    )
    return msgspec.structs.replace(known, **changes)


class GatewayWorker:
    """A running gateway worker process."""

    def __init__(self, folder: Path, first: Snapshot, *, grace: float = 10.0) -> None:
        self.folder = folder
        self.runtime = Path(tempfile.mkdtemp(prefix="mw-gw-"))  # short: a Unix socket's path has 108 bytes
        self.spool = folder / "state" / "spool"
        self.log = folder / "gateway.log"
        self.latest = self._first = first
        self._grace = grace
        (self.runtime / "base.json").write_bytes(msgspec.json.encode(first))
        self.publish(first)
        self._public = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._public.getsockname()[1]
        self._own = socket.socket(socket.AF_UNIX)
        self._own.bind(str(self.runtime / "gateway-0.sock"))
        self._own.listen(16)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process, on the sockets that stay open between two."""
        for kept in (self._public, self._own):
            kept.set_inheritable(True)
        spec = PartSpec(
            name="gateway-0",
            kind="gateway",
            runtime=str(self.runtime),
            state=str(self.folder / "state"),
            base=str(self.folder),
            environment="development",
            grace=self._grace,
            sockets={"public": self._public.fileno(), "own": self._own.fileno()},
            release="sha256:release",
        )
        path = self.runtime / "spec.json"
        path.write_bytes(msgspec.json.encode(spec))
        env = {**os.environ, "MODELWRIGHT_PEPPER": PEPPER, "PROVIDER_KEY": PROVIDER_KEY}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "modelwright.app.workers.gateway", str(path)],
                stdout=out,
                stderr=out,
                env=env,
                pass_fds=(self._public.fileno(), self._own.fileno()),
                start_new_session=True,
            )
        patient(lambda: self.get("/readyz").status == 200, waiting_for="the gateway")

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(timeout=30)

    def close(self) -> None:
        """End it and let go of the sockets."""
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            self.process.kill()
            self.process.wait()
            self._public.close()
            self._own.close()
            shutil.rmtree(self.runtime, ignore_errors=True)

    def publish(self, new: Snapshot) -> None:
        """Write the snapshot as control does: whole, at once."""
        part = self.runtime / ".snapshot.json"
        part.write_bytes(msgspec.json.encode(new))
        part.replace(self.runtime / "snapshot.json")
        self.latest = new

    def restore(self) -> None:
        """Put the first snapshot in force again, if a test has left another one."""
        first = msgspec.structs.replace(self._first, serial=self.latest.serial)
        if self.latest != first:
            self.change(**{name: getattr(first, name) for name in first.__struct_fields__ if name != "serial"})

    def change(self, **changes: Any) -> int:
        """Publish a changed snapshot and poke the worker; the serial in force then."""
        self.publish(msgspec.structs.replace(self.latest, serial=self.latest.serial + 1, **changes))
        return self.own("POST", "/reload").json()["serial"]

    # Clients

    def ask(
        self, method: str, path: str, body: bytes | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request to the public door, without any header of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        return _exchange(connection, method, path, body=body, headers=headers or {})

    def get(self, path: str, *, secret: str = KEY) -> Reply:
        return self.ask("GET", path, headers={"Authorization": f"Bearer {secret}"})

    def post(self, body: Any = None, *, path: str = CHAT, secret: str = KEY, **headers: str) -> Reply:
        """A call; `body` is bytes or what JSON makes of it; `_` in a header's name stands for `-`."""
        content = body if isinstance(body, bytes) else json.dumps(QUESTION if body is None else body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, content, headers={"Authorization": f"Bearer {secret}", **named})

    @contextlib.contextmanager
    def streaming(self, body: Mapping[str, Any] | None = None, *, path: str = CHAT) -> Iterator[Wire]:
        """A raw connection on which a stream was asked for."""
        content = json.dumps({**(body or QUESTION), "stream": True}).encode()
        with Wire(self.port) as wire:
            wire.send(head_of(path, length=len(content)) + content)
            yield wire

    def stream(self, body: Mapping[str, Any] | None = None, *, path: str = CHAT) -> tuple[int, dict[str, str], bytes]:
        """A whole streamed answer."""
        with self.streaming(body, path=path) as wire:
            return wire.answer()

    def own(self, method: str, path: str) -> Reply:
        """A request to the worker's own door."""
        connection = http.client.HTTPConnection("own", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.runtime / "gateway-0.sock"))
        return _exchange(connection, method, path, body=None, headers={})

    # What it leaves behind

    def busy(self) -> Busy:
        return msgspec.json.decode(self.own("GET", "/status").body, type=Busy)

    def metrics(self) -> str:
        return self.own("GET", "/metrics").body.decode()

    def lines(self) -> list[LedgerRow]:
        """Every line of the spool, in order."""
        found = b"".join(path.read_bytes() for path in sorted(self.spool.glob("*.jsonl")))
        return [msgspec.json.decode(line, type=LedgerRow) for line in found.splitlines()]

    def row(self, call: str) -> LedgerRow:
        """The outcome of a call; fails unless there is exactly one."""
        patient(lambda: any(line.call == call and line.outcome != "intent" for line in self.lines()))
        (found,) = [line for line in self.lines() if line.call == call and line.outcome != "intent"]
        return found

    def only_row(self) -> LedgerRow:
        """The outcome of the only call that was made since `forget`."""
        patient(lambda: bool(self.outcomes()), waiting_for="an outcome")
        (found,) = self.outcomes()
        return found

    def outcomes(self) -> list[LedgerRow]:
        """Outcomes since `forget`."""
        return [line for line in self.lines() if line.outcome != "intent" and line.call not in self._forgotten]

    def forget(self) -> None:
        """Calls up to now are not looked at any more."""
        self._forgotten = {line.call for line in self.lines()}

    _forgotten: frozenset[str] | set[str] = frozenset()

    def logged(self) -> list[dict[str, Any]]:
        """The log's lines."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def head_of(path: str = CHAT, *, length: int | None) -> bytes:
    """A request's head with the key; chunked when there is no length."""
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return f"POST {path} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {KEY}\r\n{framing}\r\n\r\n".encode()


def events(body: bytes) -> list[Any]:
    """The data of a stream's events: JSON, or the end mark as text."""
    found: list[Any] = []
    for event in body.split(b"\n\n"):
        if event.startswith(b"data: "):
            data = event.removeprefix(b"data: ")
            found.append("[DONE]" if data == b"[DONE]" else json.loads(data))
    return found


def text_of(body: bytes) -> str:
    """The words of a streamed chat answer."""
    return "".join(
        choice["delta"].get("content") or ""
        for event in events(body)
        if isinstance(event, dict)
        for choice in event.get("choices", ())
    )


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str]
) -> Reply:
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, found, answer.read())
    finally:
        connection.close()
