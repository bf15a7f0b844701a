"""Answers for questions that mean the same, by a real gateway worker, a dev provider, and vectors of word counts."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.snapshot import Caching, Endpoint, Semantic, Variant
from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider, GatewayWorker, chat_endpoint, key, remote, snapshot

pytestmark = pytest.mark.e2e
OTHER_SECRET, OTHER = key(7, tenant="others")
MONEY = "How can I get my money back for a book that I bought last week?"
AGAIN = "How can I get my money back for the book that I bought last week?"


class Upstream(BaseHTTPRequestHandler):
    """Vectors that count words, so that texts of nearly the same words are near to each other; and one same answer."""

    protocol_version = "HTTP/1.1"
    said = "Within thirty days, at any of our shops."

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answer: dict[str, Any] = {"usage": {"prompt_tokens": 9, "completion_tokens": 4}}
        if "input" in asked:
            answer["data"] = [{"index": index, "embedding": counts(text)} for index, text in enumerate(asked["input"])]
        else:
            message = {"role": "assistant", "content": Upstream.said}
            answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is of the library
        """Nothing."""


def counts(text: str) -> list[float]:
    vector = [0.0] * 128
    for word in re.findall(r"\w+", text.lower()):
        vector[hashlib.blake2s(word.encode()).digest()[0] % 128] += 1.0
    return vector


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", "12") as running:
        yield running


@pytest.fixture(scope="module")
def embedder() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def worker(provider: DevProvider, embedder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    known = snapshot(provider.base_url)
    both = msgspec.structs.replace(
        known,
        endpoints=endpoints(check=0.0),
        providers=(*known.providers, remote(embedder, name="words")),
        keys=(*known.keys, OTHER),
    )
    with GatewayWorker(tmp_path_factory.mktemp("gateway"), both) as running:
        yield running


def endpoints(**rule: Any) -> tuple[Endpoint, ...]:
    variant = Variant(name="only", provider="words", model="words")
    caching = Caching(ttl=600.0, semantic=Semantic(endpoint="vectors", threshold=0.9, **rule))
    return chat_endpoint(cache=caching), chat_endpoint(name="vectors", variants=(variant,))


def asked(*said: str, **more: Any) -> dict[str, Any]:
    roles = ["system"] * (len(said) - 1) + ["user"]
    return {"model": "chat", "messages": [{"role": r, "content": c} for r, c in zip(roles, said, strict=True)], **more}


def mark(reply: Any) -> str:
    return reply.headers["x-modelwright-cache"]


def test_a_question_in_nearly_the_same_words_gets_the_same_answer(provider: DevProvider, worker: GatewayWorker) -> None:
    provider.fails()
    worker.forget()
    first, near, far, again = (
        worker.post(asked("Shop.", words))
        for words in (MONEY, AGAIN, "What is the weather like in Hangzhou today?", MONEY)
    )
    assert [mark(one) for one in (first, near, far, again)] == ["miss", "semantic", "miss", "hit"]
    assert near.body == first.body
    assert 0.9 <= float(near.headers["x-modelwright-similarity"]) < 1
    assert len(provider.requests) == 2
    patient(lambda: len(worker.outcomes()) == 7)
    rows = {row.call: row for row in worker.outcomes()}
    call = near.headers["x-modelwright-call"]
    assert (rows[call].cache, rows[call].attempts, rows[call].saved_tokens is not None) == ("semantic", 0, True)
    assert (rows[f"{call}.vector"].endpoint, rows[f"{call}.vector"].input_tokens) == ("vectors", 9)


def test_another_tenant_or_another_prompt_gets_no_answer_of_that(provider: DevProvider, worker: GatewayWorker) -> None:
    provider.fails()
    found = [
        worker.post(asked("Library.", MONEY)),
        worker.post(asked("Library.", AGAIN), secret=OTHER_SECRET),
        worker.post(asked("Another shop.", AGAIN)),
        worker.post(asked("Library.", AGAIN, temperature=0.5)),
        worker.post(asked("Library.", AGAIN)),
    ]
    assert [mark(one) for one in found] == ["miss", "miss", "miss", "miss", "semantic"]
    assert len(provider.requests) == 4


def test_wrong_answers_raise_the_threshold(worker: GatewayWorker) -> None:
    def counted(line: str) -> None:
        patient(lambda: line in worker.metrics(), waiting_for=line)

    before, said = worker.latest, Upstream.said
    chat, vectors = endpoints(check=1.0, wrong=0.01)
    worker.change(endpoints=(msgspec.structs.replace(chat, variants=vectors.variants), vectors))
    assert mark(worker.post(asked("Museum.", MONEY))) == "miss"
    assert mark(worker.post(asked("Museum.", AGAIN))) == "checked"
    counted('modelwright_cache_checks_total{endpoint="chat",result="agreed"} 1.0')
    counted('modelwright_cache_threshold{endpoint="chat"} 0.9')
    Upstream.said = "Never: what is sold stays sold."
    fresh = worker.post(asked("Museum.", AGAIN.replace("week", "month")))
    assert (mark(fresh), fresh.json()["choices"][0]["message"]["content"]) == ("checked", Upstream.said)
    counted('modelwright_cache_checks_total{endpoint="chat",result="wrong"} 1.0')
    counted('modelwright_cache_threshold{endpoint="chat"} 0.95')
    assert mark(worker.post(asked("Museum.", MONEY.replace("book", "lamp")))) == "miss"
    worker.change(endpoints=before.endpoints)
    Upstream.said = said
