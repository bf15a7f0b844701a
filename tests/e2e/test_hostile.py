"""Hostile clients and a talkative upstream at a whole site: nothing hangs, leaks, is lost or fails for bad input."""

import contextlib
import http.client
import itertools
import json
import random
import resource
import socket
import socketserver
import sqlite3
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelwright.core.status import Busy
from tests.e2e.clients import patient
from tests.e2e.running import Reply, Site, kept, quickstart, running

SECRET = "sk-planted/secret-0123456789"
CHAT = "/v1/chat/completions"
INFER = "/v2/models/digits/infer"
MESSAGES = '"messages":[{"role":"user","content":"hi"}]'
QUESTION = f'{{"model":"chat",{MESSAGES}}}'.encode()
HOST = b"host: t\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"


class _Tells(socketserver.BaseRequestHandler):
    """An upstream that answers 400 and 401 with the key in its words, as it is or in JSON's escapes."""

    turn = itertools.count()

    def handle(self) -> None:
        request: socket.socket = self.request
        head = b""
        while b"\r\n\r\n" not in head:
            head += request.recv(65536)
        turn = next(self.turn)
        told = [SECRET, SECRET.replace("/", "\\/"), "".join(f"\\u{ord(letter):04x}" for letter in SECRET)][turn % 3]
        body = f'{{"error":{{"message":"wrong key: {told}","code":"invalid_api_key"}}}}'.encode()
        status = 401 if turn % 2 else 400
        request.sendall(
            b"HTTP/1.1 %d No\r\ncontent-type: application/json\r\nx-told: %b\r\n" % (status, SECRET.encode())
        )
        request.sendall(b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Tells) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, upstream: int) -> Iterator[Site]:
    manifest = quickstart(tmp_path_factory.mktemp("hostile"))
    text = manifest.read_text().replace(
        "kind: openai\n", f'kind: openai\n    base_url: "http://127.0.0.1:{upstream}/v1"\n'
    )
    manifest.write_text(f"{text}\ngateway: {{workers: 2}}\n")
    with running(manifest, env={"OPENAI_API_KEY": SECRET}) as one:
        yield one


@pytest.fixture(autouse=True)
def unharmed(site: Site) -> Iterator[None]:
    """After each test the site answers, no part was lost and nothing was logged that looks like a fault of ours."""
    yield
    assert site.call("GET", "/healthz").status == 200
    assert site.call("POST", INFER, _seven(site)).status == 200
    assert [part.name for part in site.watch().parts if part.restarts] == []
    faults = [line for line in site.lines if "Traceback" in line or '"level":"critical"' in line]
    assert faults == []


def _seven(site: Site) -> bytes:
    return (site.manifest.parent / "seven.json").read_bytes()


def _post(site: Site, body: bytes, *, head: bytes = b"", framed: bool = True, path: str = CHAT) -> bytes:
    length = b"content-length: %d\r\n" % len(body) if framed else b""
    key = b"authorization: Bearer %b\r\n" % site.key.encode()
    return b"POST %b HTTP/1.1\r\n" % path.encode() + HOST + key + length + head + b"\r\n" + body


def _talk(site: Site, data: bytes, *, half: bool = False) -> bytes:
    """What comes back; the answer's end is seen to by `half` or by the server."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as wire, contextlib.suppress(ConnectionError):
        wire.sendall(data)
        if half:
            wire.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: wire.recv(65536), b""))
    return b""


def _rows(site: Site) -> list[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(f"file:{site.state / 'modelwright.db'}?mode=ro", uri=True)) as database:
        return database.execute("select call, outcome from ledger where provider != 'openai'").fetchall()


SMUGGLED = {
    "length and chunked": b"content-length: 5\r\n" + CHUNKED,
    "two lengths": b"content-length: 5\r\ncontent-length: 6\r\n",
    "list of lengths": b"content-length: 5, 5\r\n",
    "signed length": b"content-length: +5\r\n",
    "length past 64 bits": b"content-length: 18446744073709551621\r\n",
    "chunked twice": CHUNKED * 2,
    "chunked not last": b"transfer-encoding: chunked, identity\r\n",
    "vertical tab": b"transfer-encoding: \x0bchunked\r\n",
    "space before the colon": b"transfer-encoding : chunked\r\n",
    "folded": b"transfer-encoding:\r\n chunked\r\n",
    "bare carriage return": b"x: a\rtransfer-encoding: chunked\r\n",
    "zero byte": b"x: a\x00b\r\n",
}


@pytest.mark.parametrize("framing", SMUGGLED.values(), ids=SMUGGLED)
def test_a_framing_that_two_readers_could_take_differently_is_refused(site: Site, framing: bytes) -> None:
    hidden = b"0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n"
    answer = _talk(site, _post(site, hidden, head=framing, framed=False))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "request_",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"get /healthz HTTP/1.1\r\n\r\n",
        b"CONNECT inside:443 HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http://a@b@c:99999/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * 700_000,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 80_000,
        b"\r\n" * 400_000,
    ],
    ids=[
        "http2",
        "tls",
        "lower-case",
        "tunnel",
        "raw-byte",
        "bad-target",
        "long-header",
        "many-headers",
        "line-breaks",
    ],
)
def test_what_is_no_request_is_refused_in_the_400s(site: Site, request_: bytes) -> None:
    answer = _talk(site, request_)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")  # a refused flood may lose its answer to the reset


def test_odd_but_valid_clients_are_served(site: Site) -> None:
    assert b'"content"' in _talk(site, _post(site, QUESTION), half=True)
    upgrade = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    assert b'"content"' in _talk(site, _post(site, QUESTION, head=upgrade))
    last = b"GET /healthz HTTP/1.1\r\n" + HOST + b"connection: close\r\n\r\n"
    assert _talk(site, _post(site, _seven(site), path=INFER) * 9 + last).count(b"HTTP/1.1 200 OK") == 10


BODIES = {
    "nested": b'{"model":"chat","messages":' + b"[" * 1_000_000,
    "half a pair": b'{"model":"chat","messages":[{"role":"user","content":"\\ud800"}]}',
    "utf-16": QUESTION.decode().encode("utf-16"),
    "huge number": f'{{"model":"chat",{MESSAGES},"max_tokens":{"9" * 5000}}}'.encode(),
    "overflow": f'{{"model":"chat",{MESSAGES},"temperature":1e999}}'.encode(),
    "not a number": f'{{"model":"chat",{MESSAGES},"temperature":NaN}}'.encode(),
    "two models": f'{{"model":"chat",{MESSAGES},"model":"nobody"}}'.encode(),
    "unknown role": b'{"model":"chat","messages":[{"role":"wizard","content":"x"}]}',
    "ten thousand messages": b'{"model":"chat","messages":['
    + b",".join([b'{"role":"user","content":"hi"}'] * 10_000)
    + b"]}",
    "a zero byte as name": b'{"model":"\\u0000","messages":[]}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_bad_body_is_the_clients_fault(site: Site, body: bytes) -> None:
    answer = site.call("POST", CHAT, body)
    assert answer.status in {400, 404}
    assert answer.json()["error"]["code"]


@pytest.mark.parametrize("field", ['"temperature":0', '"temperature":1e-320', '"top_p":0', '"top_p":1e-320'])
def test_sampling_at_the_edge_is_answered(site: Site, field: str) -> None:
    assert site.call("POST", CHAT, f'{{"model":"chat",{MESSAGES},{field}}}'.encode()).status == 200


@pytest.mark.parametrize("schema", ['{"type":"nonsense"}', '{"type":"string","pattern":"["}', '{"enum":[]}'])
def test_a_schema_that_cannot_be_compiled_is_the_clients_fault(site: Site, schema: str) -> None:
    form = f'"response_format":{{"type":"json_schema","json_schema":{{"name":"x","schema":{schema}}}}}'
    answer = site.call("POST", CHAT, f'{{"model":"chat",{MESSAGES},{form}}}'.encode())
    assert (answer.status, answer.json()["error"]["code"]) == (422, "unprocessable")
    assert ".cc:" not in answer.json()["error"]["message"]


def test_the_providers_key_is_nowhere_although_the_provider_tells_it(site: Site) -> None:
    bodies = [f'{{"model":"remote",{stream}{MESSAGES}}}'.encode() for stream in ("", '"stream":true,')] * 6
    answers: list[Reply] = [site.call("POST", CHAT, body) for body in bodies]
    assert {answer.status for answer in answers} == {502}
    metrics = http.client.HTTPConnection(site.admin.removeprefix("http://"), timeout=60)
    with contextlib.closing(metrics):
        metrics.request("GET", "/metrics")
        shown = metrics.getresponse().read()
    files = kept(site.state, site.runtime).values()
    commands = [Path(f"/proc/{part.pid}/cmdline") for part in site.watch().parts]
    seen = [shown, "".join(site.lines).encode(), *files, *(path.read_bytes() for path in commands)]
    seen += [answer.body + repr(answer.headers).encode() for answer in answers]
    told = b"".join(b"\\u%04x" % letter for letter in SECRET.encode())
    assert not [place[:200] for place in seen if SECRET.encode() in place or told in place]
    assert not [place[:200] for place in seen if SECRET.replace("/", "\\/").encode() in place]


def test_a_thousand_clients_leave_and_the_next_are_served(site: Site) -> None:
    before = {call for call, _ in _rows(site)}
    stream = QUESTION.replace(b"{", b'{"stream":true,', 1)
    with ThreadPoolExecutor(16) as many:
        list(many.map(lambda number: _leave(site, _post(site, stream), random.Random(number)), range(1000)))
        answers = list(many.map(lambda _: _as_clients_do(site, stream), range(100)))
    assert Counter(answer.status for answer in answers) == {200: 100}
    assert all(answer.body.endswith(b"data: [DONE]\n\n") for answer in answers)
    patient(lambda: _in_flight(site) == 0, waiting_for="all places to be free")
    mine = {answer.headers["x-modelwright-call"] for answer in answers}
    patient(lambda: mine <= {call for call, _ in _rows(site)}, waiting_for="the rows")
    patient(lambda: "intent" not in {outcome for _, outcome in _rows(site)}, waiting_for="every outcome")
    ends = Counter(outcome for call, outcome in _rows(site) if call not in before and call not in mine)
    assert set(ends) <= {"ok", "client_disconnect", "overloaded", "refused"}


def _as_clients_do(site: Site, body: bytes) -> Reply:
    """As the SDKs do: what is refused while others have not left yet is sent again after the time that it says."""
    answer = site.call("POST", CHAT, body)
    for _ in range(60):
        if answer.status != 429:
            break
        time.sleep(float(answer.headers["retry-after"]))
        answer = site.call("POST", CHAT, body)
    return answer


def _leave(site: Site, data: bytes, choice: random.Random) -> None:
    """Send some or all of a request, take some or nothing of the answer, and go, politely or not."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as wire:
        wire.sendall(data[: choice.choice([choice.randrange(len(data)), len(data), len(data)])])
        wire.settimeout(choice.choice([0.001, 0.02]))
        with contextlib.suppress(OSError):
            wire.recv(choice.randrange(1, 2000))
        if choice.random() < 0.5:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _in_flight(site: Site) -> int:
    busy = [part.busy for part in site.status().parts if part.kind == "gateway"]
    return sum(one.in_flight for one in busy if isinstance(one, Busy))


def test_without_descriptors_clients_are_turned_away_until_there_are_some(site: Site) -> None:
    workers = [part.pid for part in site.watch().parts if part.kind == "gateway"]
    limits = [resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in workers]
    for pid, (_, hard) in zip(workers, limits, strict=True):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, hard))
    many = [socket.create_connection(("127.0.0.1", site.port), timeout=60) for _ in range(200)]
    try:
        patient(lambda: any(_is_closed(wire) for wire in many), waiting_for="somebody to be turned away")
    finally:
        for wire in many:
            wire.close()
        for pid, limit in zip(workers, limits, strict=True):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    patient(lambda: _answers(site), waiting_for="an answer")


def _is_closed(wire: socket.socket) -> bool:
    wire.settimeout(0.01)
    try:
        return wire.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def _answers(site: Site) -> bool:
    try:
        return site.call("GET", "/healthz").status == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    "head", [b"x-request-id: a b\r\n", b"x-request-id: %b\r\n" % (b"a" * 5000), b"x-request-id: \xe9\r\n"]
)
def test_a_request_id_that_would_harm_a_log_is_replaced(site: Site, head: bytes) -> None:
    answer = _talk(site, _post(site, QUESTION, head=head + b"connection: close\r\n")).partition(b"\r\n\r\n")[0]
    lines = dict(line.split(b": ", 1) for line in answer.split(b"\r\n")[1:])
    assert lines[b"x-request-id"] == lines[b"x-modelwright-call"]


def test_names_in_paths_reach_no_worker_unless_they_are_names(site: Site) -> None:
    for name in (
        "../digits",
        "..%2fdigits",
        "%2e%2e",
        "digits%00",
        "digits%0d%0ax:%20y",
        "a" * 3000,
        "digits/versions/..",
    ):
        answer = site.call("POST", f"/v2/models/{name}/infer", json.dumps({"inputs": []}).encode())
        assert answer.status == 404, name
