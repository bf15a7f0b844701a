"""Retries, fallbacks and keys in a real site: two dev providers behind the guide's own manifest, and some more."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import BreakerRule, Retries, Variant
from tests.e2e.clients import ask, patient
from tests.e2e.gateway_site import (
    CHAT,
    QUESTION,
    DevProvider,
    GatewayWorker,
    chat_endpoint,
    events,
    remote,
    snapshot,
    text_of,
)
from tests.e2e.running import ROOT, Reply, Site, running

pytestmark = pytest.mark.e2e

GUIDE = (ROOT / "docs" / "guide" / "routing.md").read_text("utf-8")
MORE = """
  plain: {variants: {main: {provider: first, model: large}}}
  again: {variants: {main: {provider: first, model: large}}, retries: {attempts: 2, backoff: 10ms}}
  spared:
    variants: {main: {provider: first, model: large}, spare: {provider: second, model: small, weight: 0}}
    fallback: [spare]
  hurried:
    variants: {main: {provider: first, model: large}, spare: {provider: second, model: small, weight: 0}}
    fallback: [spare]
    timeout: {connect: 1s, first_token: 1500ms, idle: 1500ms, total: 60s}
  kept:
    variants: {main: {provider: first, model: large}, spare: {provider: second, model: small, weight: 0}}
    fallback: [spare]
    cache: {exact: {ttl: 1h}}
  quickest: {choose: latency, variants: {one: {provider: first, model: m}, two: {provider: second, model: m}}}
  calmest: {choose: in_flight, variants: {one: {provider: first, model: m}, two: {provider: second, model: m}}}
  cheapest: {choose: price, variants: {one: {provider: dear, model: m}, two: {provider: cheap, model: m}}}
  talks:
    split: {by: conversation}
    variants: {one: {provider: first, model: m}, two: {provider: second, model: m}}
  guarded: {variants: {main: {provider: ill, model: large}}}
  keyed: {variants: {main: {provider: locked, model: large}}}
  holed:
    variants: {main: {provider: hole, model: large}, spare: {provider: second, model: small, weight: 0}}
    fallback: [spare]
    timeout: {connect: 300ms}
  hole: {variants: {main: {provider: hole, model: large}}, timeout: {connect: 300ms}}
"""
WORDS = "Same question, same answer: naïve"


@pytest.fixture(scope="module")
def first() -> Iterator[DevProvider]:
    with DevProvider() as running_provider:
        yield running_provider


@pytest.fixture(scope="module")
def second() -> Iterator[DevProvider]:
    with DevProvider() as running_provider:
        yield running_provider


@pytest.fixture(scope="module")
def locked() -> Iterator[DevProvider]:
    with DevProvider(key="sk-live") as running_provider:
        yield running_provider


@pytest.fixture(scope="module")
def hole() -> Iterator[int]:
    """The port of an address that swallows every attempt to connect."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        fillers = [socket.socket() for _ in range(4)]  # its queue is full now
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
        for filler in fillers:
            filler.close()


@pytest.fixture(scope="module")
def site(
    first: DevProvider, second: DevProvider, locked: DevProvider, hole: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    manifest = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)[0]
    for address, provider in (("http://127.0.0.1:9001/v1", first), ("http://127.0.0.1:9002/v1", second)):
        assert address in manifest
        manifest = manifest.replace(address, provider.base_url)
    others = f"""
  locked: {{kind: vllm, base_url: "{locked.base_url}", keys: ["${{secret:DEAD}}", "${{secret:LIVE}}"]}}
  hole: {{kind: vllm, base_url: "http://127.0.0.1:{hole}/v1"}}
  dear: {{kind: vllm, base_url: "{first.base_url}", prices: {{m: {{input: 3, output: 9}}}}}}
  cheap: {{kind: vllm, base_url: "{second.base_url}", prices: {{m: {{input: 1, output: 2}}}}}}
  ill: {{kind: vllm, base_url: "{first.base_url}", breaker: {{failures: 3, rest: 2s}}}}
endpoints:"""
    text = manifest.replace("\nendpoints:", others) + MORE
    folder = tmp_path_factory.mktemp("routing")
    with running(text, folder=folder, env={"DEAD": "sk-dead", "LIVE": "sk-live"}) as started:
        yield started


@pytest.fixture(autouse=True)
def calm(first: DevProvider, second: DevProvider, locked: DevProvider) -> None:
    for provider in (first, second, locked):
        provider.fails()


def call(site: Site, endpoint: str, *, stream: bool = False) -> Reply:
    body = {"model": endpoint, "messages": [{"role": "user", "content": "What is 3 plus 4?"}], "stream": stream}
    return site.call("POST", CHAT, json.dumps(body).encode())


def hits(*providers: DevProvider) -> tuple[int, ...]:
    return tuple(provider.seen()["received"] for provider in providers)


def rows(site: Site, answer: Reply) -> list[LedgerRow]:
    """Those of one call, in order of their attempts."""
    found: list[LedgerRow] = []

    def there() -> bool:
        body = ask(site.runtime / "control.sock", f"/ledger?call={answer.headers['x-modelwright-call']}").body
        found[:] = sorted(
            msgspec.json.decode(body, type=list[LedgerRow]), key=lambda row: (not row.attempt_of, row.call)
        )
        return bool(found) and found[-1].outcome != "intent" and len(found) >= found[-1].attempts

    patient(there, waiting_for="the ledger")
    return found


def test_the_guides_example_does_what_the_guide_says(site: Site, first: DevProvider, second: DevProvider) -> None:
    first.fails("500")
    answer = call(site, "assistant")
    assert answer.status == 200
    told = re.findall(r"^(x-modelwright-[a-z]+): (.+)$", GUIDE, re.MULTILINE)
    assert {name: answer.headers[name] for name, _ in told} == dict(told)
    assert hits(first, second) == (3, 1)


def test_upstream_hits_are_one_and_the_retries(site: Site, first: DevProvider) -> None:
    first.fails("503x2")
    answer = call(site, "again")
    assert (answer.status, hits(first)) == (200, (3,))
    first.fails("500")
    assert call(site, "again").status == 502
    assert hits(first) == (3,)
    first.fails("400")
    assert call(site, "again").status == 400
    assert hits(first) == (1,)
    first.fails("500")
    assert call(site, "plain").status == 502
    assert hits(first) == (1,)


def test_in_an_outage_retries_stay_within_their_budget(site: Site, first: DevProvider) -> None:
    first.fails("500")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(site, "again").status, range(100)))
    assert set(answers) == {502}
    assert 100 <= hits(first)[0] <= 100 * 1.2 + 10


@pytest.mark.parametrize("fault", ["cut@0", "stall@0", "error@0", "refuse", "garbage", "empty", "503", "429", "401"])
def test_before_the_first_content_a_dying_stream_is_replaced_by_a_clean_one(
    site: Site, first: DevProvider, second: DevProvider, fault: str
) -> None:
    first.fails(fault)
    answer = call(site, "hurried" if fault == "stall@0" else "spared", stream=True)
    assert answer.status == 200
    assert events(answer.body)[-1] == "[DONE]"
    assert text_of(answer.body).startswith(WORDS)
    roles = [event for event in events(answer.body)[:-1] if event["choices"][0]["delta"].get("role")]
    assert len(roles) == 1
    assert hits(first, second) == (1, 1)


@pytest.mark.parametrize("fault", ["cut@3", "stall@3", "error@3"])
def test_after_the_first_content_the_stream_ends_with_an_error_and_nobody_else_is_asked(
    site: Site, first: DevProvider, second: DevProvider, fault: str
) -> None:
    first.fails(fault)
    answer = call(site, "hurried" if fault == "stall@3" else "spared", stream=True)
    *content, last = events(answer.body)
    assert answer.status == 200
    assert last["error"]["code"] in {"upstream_truncated", "upstream_stalled", "provider_error"}
    assert "[DONE]" not in content
    assert hits(first, second) == (1, 0)
    (row,) = rows(site, answer)
    assert (row.variant, row.outcome) == ("main", last["error"]["code"])


@pytest.mark.parametrize(("fault", "status"), [("500", 502), ("429@7s", 429), ("400", 400), ("refuse", 502)])
def test_when_all_fail_a_stream_has_the_same_status(
    site: Site, first: DevProvider, second: DevProvider, fault: str, status: int
) -> None:
    first.fails(fault)
    second.fails(fault)
    assert [call(site, "spared", stream=stream).status for stream in (False, True)] == [status, status]


def test_everything_names_what_answered(site: Site, first: DevProvider) -> None:
    first.fails("500")
    answer = call(site, "spared")
    assert answer.headers["x-modelwright-variant"] == "spare"
    failed, row = rows(site, answer)
    assert (failed.variant, failed.provider, failed.model, failed.outcome) == (
        "main",
        "first",
        "large",
        "provider_error",
    )
    assert (failed.attempt_of, failed.status, failed.output_tokens) == (row.call, 502, None)
    assert (row.variant, row.provider, row.model, row.outcome) == ("spare", "second", "small", "ok")
    assert (row.attempts, row.attempt_of, row.output_tokens) == (2, "", 8)
    assert answer.json()["model"] == "small"


def test_a_fallbacks_answer_is_kept_under_what_answered(site: Site, first: DevProvider, second: DevProvider) -> None:
    first.fails("500x1")
    answers = [call(site, "kept") for _ in range(3)]
    told = [(answer.headers["x-modelwright-variant"], answer.headers["x-modelwright-cache"]) for answer in answers]
    assert told == [("spare", "miss"), ("main", "miss"), ("main", "hit")]
    assert [answer.json()["model"] for answer in answers] == ["small", "large", "large"]
    assert "x-modelwright-attempts" not in answers[2].headers
    assert hits(first, second) == (2, 1)


def test_a_refused_key_rests_and_the_other_one_answers(site: Site, locked: DevProvider) -> None:
    answers = [call(site, "keyed") for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 4
    used = [request["headers"]["authorization"] for request in locked.seen(secrets=True)["requests"]]
    assert sorted(used) == ["Bearer sk-dead"] + ["Bearer sk-live"] * 4
    told = [row for answer in answers for row in rows(site, answer)]
    assert sorted(row.outcome for row in told) == ["ok"] * 4 + ["provider_auth"]


def test_an_address_that_swallows_everything_costs_the_time_to_connect(site: Site) -> None:
    answer = call(site, "hole")
    assert (answer.status, answer.json()["error"]["code"]) == (504, "provider_timeout")
    answer = call(site, "holed", stream=True)
    assert (answer.status, answer.headers["x-modelwright-variant"]) == (200, "spare")


def test_a_provider_that_is_ill_is_left_alone_until_it_is_well(site: Site, first: DevProvider) -> None:
    first.fails("503")
    assert [call(site, "guarded").status for _ in range(3)] == [502] * 3
    answer = call(site, "guarded")
    assert (answer.status, answer.json()["error"]["code"]) == (503, "provider_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert hits(first) == (3,)

    def left_alone() -> bool:
        busy = [part.busy for part in site.status().parts if part.name == "gateway-0"]
        return bool(busy[0]) and busy[0].left_alone == ("ill",)

    patient(left_alone, waiting_for="the status to say so")
    told = 'modelwright_breakers_open{provider="ill"} 1.0'
    patient(lambda: told in ask(site.runtime / "control.sock", "/metrics").body.decode(), waiting_for=told)
    first.fails()
    patient(lambda: call(site, "guarded").status == 200)
    assert call(site, "plain").status == 200
    for state in ("open", "half_open", "closed"):
        told = f'"state":"{state}"'
        patient(lambda told=told: any("breaker_changed" in line and told in line for line in site.lines))


def test_the_quicker_variant_gets_more(site: Site, first: DevProvider, second: DevProvider) -> None:
    first.fails("slow@700ms")
    assert {call(site, "quickest").status for _ in range(12)} == {200}
    slow, quick = hits(first, second)
    assert slow <= 3
    assert quick >= 9


def test_calls_go_where_fewest_are_under_way(site: Site, first: DevProvider, second: DevProvider) -> None:
    first.fails("hold")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(call, site, "calmest")
        patient(lambda: sum(hits(first, second)) == 1)
        while hits(first) == (0,):  # between two that are idle chance decides
            waiting.result()
            count = sum(hits(first, second))
            waiting = pool.submit(call, site, "calmest")
            patient(lambda count=count: sum(hits(first, second)) > count)
        assert {call(site, "calmest").headers["x-modelwright-variant"] for _ in range(5)} == {"two"}
        first.release()
        assert waiting.result().headers["x-modelwright-variant"] == "one"


def test_the_cheaper_variant_is_asked_until_it_fails(site: Site, second: DevProvider) -> None:
    assert {call(site, "cheapest").headers["x-modelwright-variant"] for _ in range(3)} == {"two"}
    assert hits(second) == (3,)


def test_a_conversation_keeps_its_variant(site: Site) -> None:
    def turn(*messages: dict[str, str]) -> str:
        body = json.dumps({"model": "talks", "messages": messages}).encode()
        return site.call("POST", CHAT, body).headers["x-modelwright-variant"]

    chosen: set[str] = set()
    for number in range(12):
        begin = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Question {number}"})
        turns = {
            turn(*begin),
            turn(*begin, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Why?"}),
        }
        assert len(turns) == 1
        chosen |= turns
    assert chosen == {"one", "two"}


def test_an_attempt_that_failed_is_counted_as_no_call(site: Site, first: DevProvider) -> None:
    first.fails("500x1")
    rows(site, call(site, "again"))
    metrics = ask(site.runtime / "control.sock", "/metrics").body.decode()
    assert 'modelwright_failed_attempts_total{endpoint="again",operation="chat",outcome="provider_error"' in metrics
    summary: list[dict[str, Any]] = msgspec.json.decode(ask(site.runtime / "control.sock", "/ledger/summary").body)
    assert sum(total["calls"] for total in summary if total["endpoint"] == "again") >= 1


def test_killed_in_the_middle_of_retries_every_request_has_one_row(first: DevProvider, tmp_path: Path) -> None:
    """Rows may be more than requests by those that were about to be sent at a kill, and never fewer."""
    first.fails(*("500x1", "cut@2x1", "503x2") * 60)
    endpoint = chat_endpoint(retries=Retries(attempts=3, backoff=0.02))
    clients, kills = 8, 4
    with GatewayWorker(
        tmp_path, snapshot(first.base_url, endpoints=(endpoint,), providers=(remote(first.base_url),))
    ) as worker:
        with ThreadPoolExecutor(clients) as pool:
            for _ in range(kills):
                before = hits(first)[0]
                waiting = [pool.submit(_post, worker) for _ in range(40)]
                patient(lambda before=before: hits(first)[0] >= before + 25)
                worker.kill()
                worker.start()
                for one in waiting:
                    one.result()
        patient(lambda: worker.busy().in_flight == 0)
        lines = worker.lines()
        ended = [line.call for line in lines if line.outcome != "intent"]
        assert len(ended) == len(set(ended))
        dispatched = {line.call for line in lines if line.outcome == "intent"}
        attempts = {line.call for line in lines if line.attempt_of}
        assert 0 <= len(dispatched | attempts) - hits(first)[0] <= clients * kills
        assert {call.rpartition(".")[0] for call in attempts} <= dispatched
        assert attempts


def test_hundreds_of_streams_that_break_off_leave_nothing_behind(tmp_path: Path) -> None:
    endpoint = chat_endpoint(
        retries=Retries(attempts=2, backoff=0.01),
        variants=(Variant(name="a", provider="a", model="m"), Variant(name="b", provider="b", model="m", weight=0.0)),
        fallback=("a", "b"),
    )
    with DevProvider("--tokens", "1000", "--delay", "30ms") as endless:
        entries = tuple(remote(endless.base_url, name=name, breaker=BreakerRule(failures=1)) for name in ("a", "b"))
        known = snapshot(endless.base_url, endpoints=(endpoint,), providers=entries)
        with GatewayWorker(tmp_path, known) as worker:
            for _ in range(4):
                with ExitStack() as streams:
                    for number in range(50):
                        wire = streams.enter_context(worker.streaming())
                        if number % 2:
                            wire.head()
            patient(lambda: worker.busy().in_flight == 0)
            patient(lambda: endless.seen()["open_connections"] < 10)
            few = {**QUESTION, "max_tokens": 3}
            assert all(events(worker.stream(few)[2])[-1] == "[DONE]" for _ in range(20))
            assert all(worker.post().status == 200 for _ in range(80))
            assert worker.busy().left_alone == ()
            assert 200 <= endless.seen()["received"] <= 300, "nobody who left was tried again"


def _post(worker: GatewayWorker) -> int:
    try:
        return worker.post().status
    except (OSError, EOFError):
        return 0
