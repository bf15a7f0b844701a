"""Kept answers through real gateways: the official SDK, two tenants, every parameter, answers that must not stay."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from modelwright.app.dev_provider.answers import text_of as words
from modelwright.core.contracts.snapshot import Caching, Retries, Variant
from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.gateway_site import (
    KEY,
    QUESTION,
    DevProvider,
    GatewayWorker,
    chat_endpoint,
    events,
    head_of,
    key,
    snapshot,
    text_of,
)
from tests.e2e.running import ROOT, Site, running

pytestmark = pytest.mark.e2e

GUIDE = (ROOT / "docs" / "guide" / "caching.md").read_text("utf-8")
TOKENS = 8
OPERATIONS = ("chat", "completions", "embeddings", "messages", "responses")
OTHER_SECRET, OTHER = key(7, tenant="others")


def block(language: str) -> str:
    """The first one of the guide."""
    found = re.search(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", str(TOKENS)) as running_one:
        yield running_one


@pytest.fixture(scope="module")
def site(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The guide's manifest, with the dev provider in place of its provider."""
    manifest = block("yaml").replace("http://10.0.0.7:8000/v1", provider.base_url)
    with running(manifest, folder=tmp_path_factory.mktemp("site")) as running_one:
        yield running_one


@pytest.fixture(scope="module")
def worker(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    known = snapshot(provider.base_url)
    keeping = msgspec.structs.replace(
        known, endpoints=(chat_endpoint(operations=OPERATIONS, cache=Caching(ttl=600.0)),), keys=(*known.keys, OTHER)
    )
    with GatewayWorker(tmp_path_factory.mktemp("gateway"), keeping) as running_one:
        yield running_one


@pytest.fixture
def client(site: Site) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0) as made:
        yield made


@pytest.fixture(autouse=True)
def fresh(provider: DevProvider) -> None:
    provider.fails()


def asked(what: str, **more: Any) -> dict[str, Any]:
    """A question that no other test asks."""
    return {**QUESTION, "messages": [{"role": "user", "content": what}], **more}


def mark(headers: Any) -> str:
    return headers["x-modelwright-cache"]


def test_the_guides_example_prints_what_it_says(site: Site) -> None:
    env = {**os.environ, "OPENAI_BASE_URL": f"{site.public}/v1", "OPENAI_API_KEY": site.key}
    found = subprocess.run(
        [sys.executable, "-c", block("python")], capture_output=True, text=True, env=env, check=False
    )
    assert found.stdout == block("text"), found.stderr


def test_the_official_client_gets_the_same_answer_again(
    provider: DevProvider, site: Site, client: openai.OpenAI
) -> None:
    def ask() -> Any:
        return client.chat.completions.with_raw_response.create(
            model="assistant", messages=[{"role": "user", "content": "whole"}], temperature=0.5
        )

    first, again = ask(), ask()
    assert (mark(first.headers), mark(again.headers)) == ("miss", "hit")
    assert 0 <= int(again.headers["age"]) < 600
    assert again.parse() == first.parse()
    assert again.headers["x-modelwright-call"] != first.headers["x-modelwright-call"]
    assert len(provider.requests) == 1
    call = again.headers["x-modelwright-call"]
    rows: list[dict[str, Any]] = []

    def written() -> bool:
        rows[:] = [row for row in ledger(site) if row["call"] == call]
        return bool(rows)

    patient(written, waiting_for="the row of the hit")
    usage = first.parse().usage
    assert (rows[0]["cache"], rows[0]["input_tokens"], rows[0]["attempts"]) == ("hit", 0, 0)
    assert rows[0]["saved_tokens"] == usage.total_tokens


def ledger(site: Site) -> list[dict[str, Any]]:
    command = ["curl", "-sf", "--unix-socket", str(site.runtime / "control.sock"), "http://control/ledger?limit=50"]
    return msgspec.json.decode(subprocess.run(command, capture_output=True, check=True).stdout)


def test_the_official_client_gets_a_stream_again_as_a_stream(provider: DevProvider, client: openai.OpenAI) -> None:
    def ask(**more: Any) -> list[Any]:
        stream = client.chat.completions.create(
            model="assistant", messages=[{"role": "user", "content": "stream"}], stream=True, **more
        )
        return list(stream)

    first, again, counted = ask(), ask(), ask(stream_options={"include_usage": True})
    assert again == first
    assert "".join(chunk.choices[0].delta.content or "" for chunk in again) == words(TOKENS)
    assert counted[:-1] == first
    assert counted[-1].choices == []
    assert counted[-1].usage.completion_tokens == TOKENS
    (request,) = provider.requests
    assert request["body"]["stream"]


def test_no_answer_reaches_another_tenant(provider: DevProvider, worker: GatewayWorker) -> None:
    question = asked("whose?")
    mine = worker.post(question)
    theirs = worker.post(question, secret=OTHER_SECRET)
    assert [mark(one.headers) for one in (mine, theirs)] == ["miss", "miss"]
    assert mine.json()["id"] != theirs.json()["id"]
    assert worker.post(question, secret=KEY).body == mine.body
    assert worker.post(question, secret=OTHER_SECRET).body == theirs.body
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.1},
        {"top_p": 0.5},
        {"max_tokens": 3},
        {"seed": 2},
        {"n": 2},
        {"stop": ["a"]},
        {"tools": []},
        {"response_format": {"type": "json_object"}},
        {"user": "u2"},
        {"a_field_that_nobody_knows": {"nested": [1]}},
        {"stream": True},
    ],
    ids=str,
)
def test_every_parameter_counts(provider: DevProvider, worker: GatewayWorker, more: dict[str, Any]) -> None:
    plain = asked(f"parameters {sorted(more)}")
    assert mark(worker.post(plain).headers) == "miss"
    assert mark(worker.post({**plain, **more}).headers) == "miss"
    assert mark(worker.post(plain).headers) == "hit"
    assert mark(worker.post({**more, **plain}).headers) == "hit"
    assert len(provider.requests) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", ["500", "503", "400", "429", "empty", "error@2", "cut@2", "refuse"])
def test_only_complete_successes_are_kept(
    provider: DevProvider,
    worker: GatewayWorker,
    fault: str,
    stream: bool,  # noqa: FBT001
) -> None:
    question = asked(f"{fault} {stream}", stream=stream)
    provider.fails(f"{fault}x1")
    broken = worker.post(question)
    good = worker.post(question)
    again = worker.post(question)
    assert [mark(one.headers) for one in (good, again)] == ["miss", "hit"]
    assert again.body == good.body != broken.body
    said = text_of(again.body) if stream else again.json()["choices"][0]["message"]["content"]
    assert said == words(TOKENS)
    assert len(provider.requests) == 2


def test_an_answer_stands_under_what_has_answered_and_not_under_what_was_asked(
    provider: DevProvider, worker: GatewayWorker
) -> None:
    question = asked("who answers?")
    variants = tuple(Variant(name=name, provider="dev", model=name) for name in ("first", "second"))
    two = chat_endpoint(
        variants=(variants[0], msgspec.structs.replace(variants[1], weight=0.0)),
        fallback=("first", "second"),
        retries=Retries(attempts=0),
        cache=Caching(ttl=600.0),
    )
    before = worker.latest.endpoints
    worker.change(endpoints=(two,))
    provider.fails("500x1")
    answers = [worker.post(question) for _ in range(3)]
    assert [one.json()["model"] for one in answers] == ["second", "first", "first"]
    assert [mark(one.headers) for one in answers] == ["miss", "miss", "hit"]
    assert [one.headers["x-modelwright-variant"] for one in answers] == ["second", "first", "first"]
    turned = msgspec.structs.replace(two, variants=(msgspec.structs.replace(variants[0], weight=0.0), variants[1]))
    worker.change(endpoints=(turned,))
    again = worker.post(question)
    assert (mark(again.headers), again.body) == ("hit", answers[0].body)
    assert [request["body"]["model"] for request in provider.requests] == ["first", "second", "first"]
    worker.change(endpoints=before)


def test_a_stream_whose_client_left_is_not_kept(provider: DevProvider, worker: GatewayWorker) -> None:
    question = asked("leaving")
    provider.fails("hold@3x1")
    with worker.streaming(question) as wire:
        wire.head()
        next(wire.chunks())
    patient(lambda: worker.busy().in_flight == 0)
    provider.release()
    assert mark(worker.stream(question)[1]) == "miss"
    _, headers, body = worker.stream(question)
    assert mark(headers) == "hit"
    assert events(body)[-1] == "[DONE]"


def test_equal_calls_at_once_share_one_request(provider: DevProvider, worker: GatewayWorker) -> None:
    question = asked("at once")
    provider.fails("holdx1")
    worker.forget()
    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(worker.post, question) for _ in range(20)]
        patient(lambda: worker.busy().in_flight == 20)
        provider.release()
        answers = [one.result() for one in asking]
    assert len(provider.requests) == 1
    assert len({one.body for one in answers}) == 1
    assert sorted(mark(one.headers) for one in answers) == ["miss", *["shared"] * 19]
    patient(lambda: len(worker.outcomes()) == 20)
    assert sorted((row.cache, row.attempts) for row in worker.outcomes()) == [("miss", 1), *[("shared", 0)] * 19]


def test_the_request_goes_on_when_the_first_client_leaves(provider: DevProvider, worker: GatewayWorker) -> None:
    question = asked("first leaves")
    content = json.dumps(question).encode()
    provider.fails("holdx1")
    with ThreadPoolExecutor(1) as pool:
        with Wire(worker.port) as first:
            first.send(head_of(length=len(content)) + content)
            patient(lambda: len(provider.requests) == 1)
            second = pool.submit(worker.post, question)
            patient(lambda: worker.busy().in_flight == 2)
        provider.release()
        answer = second.result(timeout=60)
    assert (answer.status, mark(answer.headers)) == (200, "shared")
    (request,) = provider.requests
    assert not request["client_gone"]


@pytest.mark.parametrize("more", [{}, {"encoding_format": "float"}, {"dimensions": 5}], ids=str)
def test_a_batch_asks_only_for_the_vectors_that_are_not_kept(
    provider: DevProvider, client: openai.OpenAI, more: dict[str, Any]
) -> None:
    def embed(*texts: str) -> tuple[str, Any]:
        raw = client.embeddings.with_raw_response.create(model="assistant", input=list(texts), **more)
        return mark(raw.headers), raw.parse()

    first, again, mixed = embed("a", "b"), embed("b", "a"), embed("c", "a", "d", "b", "c")
    assert [found for found, _ in (first, again, mixed)] == ["miss", "hit", "partial"]
    assert [request["body"]["input"] for request in provider.requests] == [["a", "b"], ["c", "d"]]
    known = dict(zip("ab", first[1].data, strict=True))
    assert [row.index for row in mixed[1].data] == list(range(5))
    assert [row.embedding for row in again[1].data] == [known["b"].embedding, known["a"].embedding]
    assert mixed[1].data[1].embedding == known["a"].embedding
    assert mixed[1].data[3].embedding == known["b"].embedding
    assert mixed[1].data[0].embedding == mixed[1].data[4].embedding != known["a"].embedding
    assert again[1].usage == first[1].usage
    assert mixed[1].usage.prompt_tokens == 5
    assert len(mixed[1].data[2].embedding) == more.get("dimensions", 16)


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_answers_are_kept_on_the_other_wires_too(provider: DevProvider, worker: GatewayWorker, path: str) -> None:
    question = {"model": "chat", "max_tokens": 100, **asked("wires")}
    if path == "/v1/responses":
        question = {"model": "chat", "input": "wires"}

    def ask(body: dict[str, Any] = question, *, beta: str = "") -> Any:
        return worker.post(body, path=path, anthropic_version="2023-06-01", anthropic_beta=beta)

    first, again, *streams = ask(), ask(), ask({**question, "stream": True}), ask({**question, "stream": True})
    assert [mark(one.headers) for one in (first, again, *streams)] == ["miss", "hit", "miss", "hit"]
    assert again.body == first.body
    assert words(TOKENS).encode() in first.body
    assert [one.body.count(b"data: ") for one in streams] == [streams[0].body.count(b"data: ")] * 2
    assert "naïve".encode() in streams[1].body
    assert len(provider.requests) == 2
    other = "miss" if path == "/v1/messages" else "hit"
    assert mark(ask(beta="another-kind-of-answer").headers) == other


def test_metrics_count_what_was_saved(provider: DevProvider, worker: GatewayWorker) -> None:
    question = asked("counted")
    tokens = worker.post(question).json()["usage"]["total_tokens"]
    labels = 'endpoint="chat",operation="chat",'
    hits = f'modelwright_cache_calls_total{{{labels}result="hit",variant="main"}}'
    saved = f'modelwright_cache_saved_tokens_total{{{labels}variant="main"}}'

    def value(name: str) -> float:
        return float(next((line.split()[-1] for line in worker.metrics().splitlines() if line.startswith(name)), 0))

    before = value(hits), value(saved)
    worker.post(question)
    patient(lambda: (value(hits), value(saved)) == (before[0] + 1, before[1] + tokens), waiting_for="the numbers")
    assert value("modelwright_cache_entries") > 0
    assert value("modelwright_cache_bytes") > 0
    assert provider.requests


def test_nothing_of_a_kept_answer_is_written_down(worker: GatewayWorker) -> None:
    question = asked("a question planted-here")
    worker.post(question)
    assert mark(worker.post(question).headers) == "hit"
    for path in [worker.log, *Path(worker.spool).glob("*.jsonl")]:
        content = path.read_bytes()
        assert b"planted-here" not in content
        assert b"Same question" not in content
