"""Engines with a server of their own behind a whole site: llama.cpp's real one, and stand-ins for the others."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import openai
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelwright.app.parts import ModelPart
from modelwright.core.status import Busy
from tests.e2e.clients import ask, patient
from tests.e2e.running import Reply, Site, running
from tests.e2e.serving_worker import serving
from tests.making.tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.e2e

SERVERS = Path(__file__).parent / "servers"
MANIFEST = """
schema: 1
name: engines
models:
  llama:
    source: ./tiny.gguf
    engine: {kind: llama-server, command: <llama>, context: 2000, threads: 1}
    batching: {max_sequences: 2, queue_rows: 2}
  vllm:
    source: ./hf
    engine: {kind: vllm, command: <vllm>, context: 1000000, precision: bf16}
    batching: {max_sequences: 2, queue_rows: 2}
  tgi:
    source: ./hf
    engine: {kind: tgi, command: <tgi>}
    batching: {max_sequences: 2, queue_rows: 2}
  ollama:
    source: ./tiny.gguf
    engine: {kind: ollama, command: <ollama>}
    batching: {max_sequences: 2, queue_rows: 2}
"""
ENGINES = ("llama", "vllm", "tgi", "ollama")
HELLO: Any = [{"role": "user", "content": "hello"}]
FIRSTS, LEFT = "first_token_seconds_count", "abandoned_total"
LONG = 100_000
"""Tokens of an answer that does not end by itself while a test looks."""


def _files(folder: Path) -> str:
    write_tiny_gguf(folder / "tiny.gguf", context=2048)
    (folder / "hf").mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / "hf" / name).write_text("{}")
    manifest = MANIFEST
    for name in ("llama_server", "vllm_standin", "tgi_standin", "ollama_standin"):
        command = json.dumps([sys.executable, str(SERVERS / f"{name}.py")])
        manifest = manifest.replace(f"<{name.partition('_')[0]}>", command)
    return manifest


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with running(_files(folder), folder=folder) as started:
        patient(lambda: started.call("GET", "/readyz").status == 200, waiting_for="the gateway to see its workers")
        yield started


def metric(site: Site, model: str, name: str, **labels: str) -> float:
    text = ask(site.runtime / f"serving-{model}-0.sock", "/metrics").body.decode()
    return next(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"modelwright_serving_{name}" and labels.items() <= sample.labels.items()
    )


def chat(site: Site, model: str, **fields: Any) -> Reply:
    body = {"model": model, "messages": HELLO, "max_tokens": 3, "temperature": 0} | fields
    return site.call("POST", "/v1/chat/completions", json.dumps(body).encode())


def _client(site: Site) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0)


def _endless(site: Site, model: str) -> openai.Stream[Any]:
    more = {"ignore_eos": True} if model == "llama" else {}
    return _client(site).chat.completions.create(
        model=model, messages=HELLO, max_tokens=1500 if more else LONG, stream=True, extra_body=more
    )


def _server(site: Site, model: str) -> list[psutil.Process]:
    """All that the worker of a model has started: the keeper first, then the server and what that has started."""
    return psutil.Process(site.part(f"serving-{model}-0").pid).children(recursive=True)


def test_every_engine_answers_streams_is_told_of_and_freed(site: Site) -> None:
    client = _client(site)
    for model in ENGINES:
        answer = client.chat.completions.create(model=model, messages=HELLO, max_tokens=3)
        assert answer.choices[0].message.content
        assert answer.usage
        assert client.completions.create(model=model, prompt="hello", max_tokens=3).choices[0].text

    firsts, left = ({model: metric(site, model, name) for model in ENGINES} for name in (FIRSTS, LEFT))
    streams = {model: _endless(site, model) for model in ENGINES}
    for stream in streams.values():
        next(iter(stream))  # while it goes on: nothing is held back
    for model in ENGINES:
        patient(lambda model=model: metric(site, model, FIRSTS) == firsts[model] + 1, waiting_for=model)
    for model in ENGINES[1:]:  # llama.cpp's has ended by then
        patient(lambda model=model: metric(site, model, "sequences", state="running") == 1, waiting_for=model)
    patient(lambda: metric(site, "vllm", "kv_usage_ratio") == 0.25, waiting_for="half of half the places")
    for model in ("llama", "vllm", "tgi"):
        patient(lambda model=model: metric(site, model, "tokens_total", direction="output") > 0, waiting_for=model)

    for stream in streams.values():
        stream.close()
    for model in ENGINES:
        patient(lambda model=model: metric(site, model, "sequences", state="running") == 0, waiting_for=model)
        patient(lambda model=model: metric(site, model, LEFT) == left[model] + 1 or model == "llama", waiting_for=model)

    for model in ENGINES:
        bad = chat(site, model, messages="no list") if model == "llama" else site.call(
            "POST", "/v1/chat/completions", b"{"
        )  # fmt: skip
        assert 400 <= bad.status < 500


def test_a_flood_is_bounded_before_it_reaches_the_engine(site: Site, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    for model in ("vllm", "tgi", "ollama"):
        patient(lambda model=model: metric(site, model, "sequences", state="running") == 0, waiting_for=model)
        before = metric(site, model, "overloaded_total")
        hold.touch()
        with ThreadPoolExecutor(4) as pool:
            taken = [pool.submit(chat, site, model, user=str(hold)) for _ in range(4)]
            patient(lambda model=model: _calls(site, model) == 4, waiting_for="two to run and two to wait")
            refused = [chat(site, model, user=str(hold)) for _ in range(8)]
            hold.unlink()
            assert [one.result().status for one in taken] == [200] * 4
        assert {reply.status for reply in refused} == {429}
        assert all("retry-after" in reply.headers for reply in refused)
        assert metric(site, model, "overloaded_total") == before + 8


def _calls(site: Site, model: str) -> int:
    answer = ask(site.runtime / f"serving-{model}-0.sock", "/status")
    return msgspec.json.decode(answer.body, type=Busy).in_flight


def test_a_server_that_is_killed_in_mid_stream_breaks_it_off_and_comes_back(site: Site) -> None:
    restarts = {model: site.part(f"serving-{model}-0").restarts for model in ENGINES}
    streams = {model: _endless(site, model) for model in ENGINES[1:]}
    for model, stream in streams.items():
        next(iter(stream))
        os.kill(_server(site, model)[1].pid, signal.SIGKILL)
        with pytest.raises(openai.APIError, match="lost"):
            list(stream)
    os.kill(_server(site, "llama")[1].pid, signal.SIGKILL)
    for model in ENGINES:
        site.wait_for(f"serving-{model}-0", "ready", restarts=restarts[model] + 1)
        patient(lambda model=model: chat(site, model).status == 200, waiting_for="an answer")


def test_nothing_is_left_of_a_worker_that_is_killed(site: Site) -> None:
    restarts = {model: site.part(f"serving-{model}-0").restarts for model in ENGINES}
    left = {model: _server(site, model) for model in ENGINES}
    assert [len(left[model]) for model in ENGINES] == [2, 3, 2, 2], "a keeper, a server, and vLLM's own child"
    for model in ENGINES:
        os.kill(site.part(f"serving-{model}-0").pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(left[model], timeout=60)
        assert alive == []
    for model in ENGINES:
        site.wait_for(f"serving-{model}-0", "ready", restarts=restarts[model] + 1)


def test_a_drain_finishes_what_runs_and_leaves_no_process(site: Site, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    said: dict[str, list[Any]] = {model: [] for model in ENGINES}

    def read(model: str) -> None:
        body = {"model": model, "messages": HELLO, "max_tokens": 9, "stream": True, "user": str(hold)}
        reply = site.call("POST", "/v1/chat/completions", json.dumps(body).encode())
        said[model].append(reply.body)

    threads = [threading.Thread(target=read, args=(model,)) for model in ENGINES]
    for thread in threads:
        thread.start()
    for model in ENGINES[1:]:  # llama.cpp's may have ended by then
        patient(lambda model=model: metric(site, model, "sequences", state="running") == 1, waiting_for=model)
    processes = [process for model in ENGINES for process in _server(site, model)]
    site.process.send_signal(signal.SIGTERM)
    patient(lambda: site.part("gateway-0").state == "draining", waiting_for="the drain")
    hold.unlink()
    assert site.process.wait(60) == 0
    for thread in threads:
        thread.join()
    assert all(body.rstrip().endswith(b"data: [DONE]") for (body,) in said.values()), said
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert alive == []


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    few = _files(tmp_path).partition("  tgi:")[0]
    with running(few, folder=tmp_path) as site:
        processes = [process for model in ENGINES[:2] for process in _server(site, model)]
        os.kill(site.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(processes, timeout=60)
    assert len(processes) == 5
    assert alive == []


@pytest.mark.parametrize(
    ("options", "words", "fatal"),
    [
        ({"command": ["no-such-engine"]}, "there is no program 'no-such-engine'", True),
        (
            {"arguments": ["--fails", "no room"]},
            "ended with status 1: ValueError: no room",
            False,
        ),
        ({"load_timeout": 0.2}, "has not answered within 0.2 s", False),
    ],
)
def test_what_does_not_start_says_why(tmp_path: Path, options: dict[str, Any], words: str, *, fatal: bool) -> None:
    _files(tmp_path)
    command = [sys.executable, str(SERVERS / "vllm_standin.py")]
    part = ModelPart(model="m", engine="vllm", wire="openai", path=str(tmp_path / "hf"))
    with serving(tmp_path, part, options={"command": command} | options, ready=False) as worker:
        notice = worker.wait_for("failed")
        assert words in notice.detail
        assert notice.fatal is fatal, "what may go better is started again"
        assert worker.end() == 1
