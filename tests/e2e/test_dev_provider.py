"""A real `modelwright dev-provider`: its faults on the wire, its journal, its end, and its guide as written."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from modelwright.adapters.http.pool import Pool
from modelwright.app.dev_provider.answers import text_of
from modelwright.app.dev_provider.faults import KINDS, STATUS
from modelwright.core.errors.providers import ProviderError, ProviderUnreachable, UpstreamStalled, UpstreamTruncated
from modelwright.core.ports.http import Deadlines, Origin, UpstreamRequest, UpstreamResponse
from modelwright.core.wire.sse import EventSplitter, event_data
from tests.e2e.running import program

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide" / "dev-provider.md").read_text("utf-8")
DEADLINES = Deadlines(connect=30.0, first_byte=60.0, idle=60.0)
BRIEF = Deadlines(connect=30.0, first_byte=60.0, idle=1.0)
"""For those who wait until it has passed."""


@contextmanager
def provider(*options: str, **variables: str) -> Iterator[Origin]:
    """A running provider; it must end cleanly on SIGTERM."""
    command = [*program(), "dev-provider", "--port", "0", "--json", *options]
    env = {**os.environ, **variables}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = json.loads(process.stdout.readline())
        assert told["pid"] == process.pid
        assert told["url"] == f"http://127.0.0.1:{told['port']}"
        try:
            yield Origin(scheme="http", host="127.0.0.1", port=told["port"])
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, (b"", b""))


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with provider("--delay", "5ms") as running:
        yield running


@pytest.fixture
async def pool(origin: Origin) -> AsyncIterator[Pool]:
    pool = Pool()
    await call(pool, origin, "/dev/reset")
    yield pool
    await pool.close()


async def call(
    pool: Pool,
    origin: Origin,
    path: str,
    content: object = None,
    *,
    method: str = "POST",
    deadlines: Deadlines = DEADLINES,
) -> UpstreamResponse:
    body = b"" if content is None else json.dumps(content).encode()
    return await pool.send(UpstreamRequest(origin=origin, method=method, target=path, body=body), deadlines)


async def faults(pool: Pool, origin: Origin, *specs: str) -> None:
    answer = await call(pool, origin, "/dev/faults", {"faults": specs})
    assert json.loads(await answer.read(1000))["faults"] == list(specs)


async def chat(pool: Pool, origin: Origin, *, stream: bool, deadlines: Deadlines = DEADLINES) -> UpstreamResponse:
    content = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    return await call(pool, origin, "/v1/chat/completions", content, deadlines=deadlines)


async def journal(pool: Pool, origin: Origin, query: str = "") -> dict[str, list[dict[str, object]]]:
    return json.loads(await (await call(pool, origin, f"/dev/requests{query}", method="GET")).read(1 << 20))


async def words(answer: UpstreamResponse) -> tuple[str, bytes]:
    """Text and last event of a stream."""
    splitter, data = EventSplitter(), [b""]
    text = ""
    async for chunk in answer.chunks():
        data += [event_data(event) for event in splitter.push(chunk)]
    for event in data[1:]:
        if event != b"[DONE]":
            text += "".join(choice["delta"].get("content", "") for choice in json.loads(event).get("choices", []))
    return text, data[-1]


async def test_streams_and_whole_answers_over_one_connection(pool: Pool, origin: Origin) -> None:
    for _ in range(3):
        assert await words(await chat(pool, origin, stream=True)) == (text_of(8), b"[DONE]")
        whole = json.loads(await (await chat(pool, origin, stream=False)).read(10_000))
        assert whole["choices"][0]["message"]["content"] == text_of(8)
    seen = await journal(pool, origin)
    assert len({request["connection"] for request in seen["requests"]}) == 1
    assert [request["tokens"] for request in seen["requests"]] == [8, 0] * 3
    assert all(request["finished"] and not request["client_gone"] for request in seen["requests"])


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("cut@3", UpstreamTruncated),
        ("cut@0", UpstreamTruncated),
        ("stall@3", UpstreamStalled),
        ("stall@0", UpstreamStalled),
        ("garbage", ProviderError),
        ("refuse", ProviderUnreachable),
    ],
)
async def test_faults_of_the_connection(
    pool: Pool, origin: Origin, fault: str, error: type[ProviderError], *, stream: bool
) -> None:
    await faults(pool, origin, f"{fault}x1")
    with pytest.raises(error):
        await (await chat(pool, origin, stream=stream, deadlines=BRIEF)).read(10_000)
    assert (await chat(pool, origin, stream=stream)).status == 200
    struck, next_one = (await journal(pool, origin))["requests"]
    assert (struck["faults"], next_one["faults"]) == ([fault], [])
    assert struck["tokens"] == (3 if stream and fault.endswith("3") else 0)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(("fault", "status"), [("429@7s", 429), ("401", 401), ("500", 500), ("503", 503)])
async def test_faults_of_the_status(pool: Pool, origin: Origin, fault: str, status: int, *, stream: bool) -> None:
    await faults(pool, origin, fault)
    answer = await chat(pool, origin, stream=stream)
    assert answer.status == status
    assert json.loads(await answer.read(1000))["error"]["code"] == "dev_fault"
    retry = dict(answer.headers).get(b"retry-after")
    assert retry == {429: b"7", 503: b"1"}.get(status)


@pytest.mark.parametrize("faulty", [("split@1",), ("split",), ("lump",), ("slow@50ms", "split@7")], ids=str)
async def test_hostile_delivery_changes_no_byte(pool: Pool, origin: Origin, faulty: tuple[str, ...]) -> None:
    await faults(pool, origin, *faulty)
    assert await words(await chat(pool, origin, stream=True)) == (text_of(8), b"[DONE]")
    whole = json.loads(await (await chat(pool, origin, stream=False)).read(10_000))
    assert whole["choices"][0]["message"]["content"] == text_of(8)


async def test_a_held_answer_goes_on_when_the_faults_are_set_anew(pool: Pool, origin: Origin) -> None:
    await faults(pool, origin, "hold@3", "slow@1ms")
    streams = [await chat(pool, origin, stream=True) for _ in range(3)]
    whole = asyncio.ensure_future(chat(pool, origin, stream=False))
    async with asyncio.timeout(60):
        while [one["tokens"] for one in (await journal(pool, origin))["requests"]] != [3, 3, 3, 0]:
            pass
    assert not [one for one in (await journal(pool, origin))["requests"] if one["finished"]]
    await faults(pool, origin)
    assert [await words(stream) for stream in streams] == [(text_of(8), b"[DONE]")] * 3
    assert (await whole).status == 200


async def test_error_event_and_empty_answer(pool: Pool, origin: Origin) -> None:
    await faults(pool, origin, "error@2x1", "emptyx1")
    text, last = await words(await chat(pool, origin, stream=True))
    assert text == text_of(2)
    assert json.loads(last)["error"]["code"] == "dev_fault"
    empty = await chat(pool, origin, stream=True)
    assert (empty.status, await empty.read(10)) == (200, b"")


async def test_a_client_that_leaves_is_noted(pool: Pool, origin: Origin) -> None:
    await faults(pool, origin, "stall@2")
    answer = await chat(pool, origin, stream=True)
    await anext(answer.chunks())
    answer.close()
    async with asyncio.timeout(60):
        while not (await journal(pool, origin))["requests"][0]["client_gone"]:
            pass


async def test_journal_is_read_on_from_a_number(pool: Pool, origin: Origin) -> None:
    for _ in range(3):
        await (await chat(pool, origin, stream=False)).read(10_000)
    assert [request["number"] for request in (await journal(pool, origin, "?after=1"))["requests"]] == [2, 3]
    assert (await journal(pool, origin, "?after=3"))["requests"] == []


async def test_journal_masks_keys_unless_asked(pool: Pool, origin: Origin) -> None:
    headers = ((b"authorization", b"Bearer planted"), (b"x-seen", b"1"))
    request = UpstreamRequest(origin=origin, method="GET", target="/v1/models", headers=headers)
    assert b"dev-model" in await (await pool.send(request, DEADLINES)).read(1000)
    (masked,) = (await journal(pool, origin))["requests"]
    (shown,) = (await journal(pool, origin, "?authorization=show"))["requests"]
    assert isinstance(masked["headers"], dict)
    assert isinstance(shown["headers"], dict)
    assert (masked["headers"]["authorization"], masked["headers"]["x-seen"]) == ("***", "1")
    assert shown["headers"]["authorization"] == "Bearer planted"


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/chat/completions", {"messages": []}, 400),
        ("POST", "/v1/chat/completions", {"model": "m"}, 400),
        ("POST", "/v1/chat/completions", {"model": "m", "messages": [], "max_tokens": -1}, 400),
        ("POST", "/v1/embeddings", {"model": "m", "input": "a", "dimensions": 10**9}, 400),
        ("POST", "/v1/nowhere", {}, 404),
        ("GET", "/v1/chat/completions", None, 405),
        ("POST", "/dev/faults", {"faults": ["cut"]}, 400),
        ("POST", "/dev/faults", ["cut@3"], 400),
        ("GET", "/dev/nowhere", None, 404),
        ("GET", "/healthz", None, 200),
    ],
)
async def test_bad_requests(pool: Pool, origin: Origin, method: str, path: str, content: object, status: int) -> None:
    answer = await call(pool, origin, path, content, method=method)
    assert answer.status == status
    if status >= 400:
        assert json.loads(await answer.read(10_000))["error"]["message"]


async def test_official_client(origin: Origin, pool: Pool) -> None:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{origin.port}/v1", api_key="k", max_retries=0) as client:
        asked = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert asked.choices[0].message.content == text_of(8)
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True, stream_options={"include_usage": True}
        )
        *parts, last = list(stream)
        assert "".join(part.choices[0].delta.content or "" for part in parts) == text_of(8)
        assert last.usage is not None
        assert last.usage.completion_tokens == 8
        rows = client.embeddings.create(model="m", input=["a", "b"]).data
        assert [len(row.embedding) for row in rows] == [16, 16]
        assert client.models.list().data[0].id == "dev-model"
        await faults(pool, origin, "429x1")
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])


def test_options_and_start_errors() -> None:
    with provider("--tokens", "3", "--fault", "500x1", MODELWRIGHT_DEV_KEY="right") as origin:
        url = f"http://127.0.0.1:{origin.port}"
        with (
            openai.OpenAI(base_url=f"{url}/v1", api_key="wrong", max_retries=0) as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.models.list()
        with openai.OpenAI(base_url=f"{url}/v1", api_key="right", max_retries=0) as client:
            answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            assert answer.choices[0].message.content == text_of(3)
        taken = subprocess.run(
            [*program(), "dev-provider", "--port", str(origin.port)], capture_output=True, text=True, check=False
        )
        assert taken.returncode == 4
        assert "somebody else listens there" in taken.stderr
    wrong = subprocess.run([*program(), "dev-provider", "--fault", "cut"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "cut@3" in wrong.stderr


def talk(origin: Origin, sent: bytes, *, until: bytes) -> bytes:
    """What comes back over a plain socket, up to some bytes or the end."""
    got = b""
    with socket.create_connection((origin.host, origin.port), timeout=60) as plain:
        plain.sendall(sent)
        while until not in got and (data := plain.recv(65536)):
            got += data
    return got


def test_plain_http(origin: Origin) -> None:
    body = b'{"model":"m","messages":[]}'
    post = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n" % len(body)
    ends = b"never-in-an-answer"
    assert b"HTTP/1.1 400" in talk(origin, b"junk\r\n\r\n", until=ends)
    last = b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
    pipelined = talk(origin, (post + b"\r\n" + body) * 3 + last, until=ends)
    assert [status[:3] for status in pipelined.split(b"HTTP/1.1 ")[1:]] == [b"200"] * 4
    assert pipelined.endswith(b'{"status":"ok"}'), "in order, and closed after the last"
    stream = body.replace(b'"m"', b'"m","stream":true')
    waiting = b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(stream) + stream
    assert talk(origin, waiting * 200, until=ends).count(b"[DONE]") < 200, "so many may not wait on one connection"
    assert b"100 Continue" in talk(origin, post + b"expect: 100-continue\r\n\r\n", until=b"100 Continue")


def test_open_streams_do_not_keep_it_from_ending() -> None:
    with provider("--fault", "stall@1") as origin, socket.create_connection((origin.host, origin.port)) as plain:
        body = b'{"model":"m","messages":[],"stream":true}'
        plain.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        assert plain.recv(65536).startswith(b"HTTP/1.1 200")


def test_guide_lists_every_fault_in_the_words_of_the_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+).*?` (?:… )?\| (.+) \|$", GUIDE.split("## Faults")[1], re.MULTILINE))
    assert rows == {**{name: kind.says for name, kind in KINDS.items()}, "429": STATUS.says}


def test_commands_of_the_guide_print_what_it_says() -> None:
    console = "".join(re.findall(r"^```console\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
    first, *others = re.findall(r"^\$ (.+)\n((?:[^$].*\n)*)", console, re.MULTILINE)
    assert first == ("modelwright dev-provider --port 9009 &", "listening on http://127.0.0.1:9009\n")
    with provider() as origin:
        for command, prints in others:
            here = command.replace(":9009", f":{origin.port}")
            done = subprocess.run(["/bin/sh", "-c", here], capture_output=True, text=True, check=False)
            assert done.stdout.rstrip("\n") == prints.rstrip("\n"), command


def test_test_of_the_guide_passes(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    (tmp_path / "test_example.py").write_text(example)
    path = f"{Path(program()[0]).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=.", "."],
        cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
