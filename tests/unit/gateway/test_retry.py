"""Calls that are tried again or elsewhere, through a whole gateway in memory."""

from __future__ import annotations

import asyncio
import gc

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.events import AttemptFailed
from modelwright.core.contracts.snapshot import BreakerRule, Limit, Limits, Price, Retries, Timeouts
from modelwright.core.errors.providers import ProviderRateLimited, ProviderUnreachable
from modelwright.core.limits import costs_of
from modelwright.core.ports.http import UpstreamRequest
from modelwright.gateway.call import Call
from modelwright.gateway.routing.attempts import Failed
from modelwright.gateway.routing.journey import Journey, Step
from tests.unit.gateway.upstreams import (
    FAILS,
    GOOD,
    STREAM,
    Upstreams,
    ask,
    endpoint,
    outcomes,
    providers,
    world,
)
from tests.unit.gateway.world import ANSWER, DONE, ROLE, USAGE, Heard, World, answers, chunk, snapshot, streams


def test_a_failed_request_is_sent_again_and_each_has_its_row() -> None:
    upstreams = Upstreams(a=[FAILS, answers(b"{}", status=503), GOOD])
    site = world(upstreams, "a", retries=2)
    heard = ask(site)
    assert (heard.status, heard.body) == (200, ANSWER)
    assert upstreams.hits == {"a": 3}
    assert heard.headers["x-modelwright-attempts"] == "3"
    first, second, last = outcomes(site)
    assert (first.call, first.attempt_of, first.outcome, first.status) == ("call-1.1", "call-1", "provider_error", 502)
    assert (second.call, second.attempt_of, second.attempts) == ("call-1.2", "call-1", 1)
    assert (last.call, last.attempt_of, last.outcome, last.attempts) == ("call-1", "", "ok", 3)
    assert (first.input_tokens, last.input_tokens) == (None, 3)
    told = [event for event in site.events if isinstance(event, AttemptFailed)]
    assert [event.attempt.call for event in told] == ["call-1.1", "call-1.2"]


def test_the_ledger_is_never_without_the_request_under_way() -> None:
    upstreams = Upstreams(a=[FAILS, GOOD])
    site = world(upstreams, "a", retries=1)
    ask(site)
    lines = [(line.call, line.outcome, line.attempts) for line in site.ledger.lines]
    assert lines == [("call-1", "intent", 0), ("call-1.1", "provider_error", 1), ("call-1", "intent", 1),
                     ("call-1", "ok", 2)]  # fmt: skip


def calls_alive() -> list[Call]:
    return [found for found in gc.get_objects() if type(found) is Call]


def test_failures_leave_nothing_for_the_collector() -> None:
    upstreams = Upstreams(a=[FAILS], b=[answers(b"{}", status=503)])
    site = world(upstreams, "a", "b", retries=1)
    others = calls_alive()
    gc.disable()
    try:
        assert ask(site).status == 502
        assert len(calls_alive()) == len(others)
    finally:
        gc.enable()


def test_hits_are_one_and_the_retries() -> None:
    upstreams = Upstreams(a=[FAILS])
    site = world(upstreams, "a", retries=2)
    heard = ask(site)
    assert (heard.status, heard.error["code"]) == (502, "provider_error")
    assert upstreams.hits == {"a": 3}
    assert [row.call for row in outcomes(site)] == ["call-1.1", "call-1.2", "call-1"]
    assert site.waits == [0.5, 1.0]


@pytest.mark.parametrize("status", [400, 404, 413, 422, 401, 405])
def test_what_would_fail_again_is_not_sent_again(status: int) -> None:
    upstreams = Upstreams(a=[answers(b'{"error":{"message":"no"}}', status=status)])
    site = world(upstreams, "a", retries=3)
    assert ask(site).status in {status, 502}
    assert upstreams.hits == {"a": 1}


def test_the_budget_of_retries_runs_out() -> None:
    upstreams = Upstreams(a=[FAILS])
    site = world(upstreams, "a", retries=3)
    for _ in range(100):
        ask(site)
    assert 100 + 20 <= upstreams.hits["a"] <= 100 + 20 + 10


def test_what_the_provider_asks_to_wait_is_waited() -> None:
    upstreams = Upstreams(a=[answers(b"{}", status=429, retry_after="7"), GOOD])
    site = world(upstreams, "a", retries=1)
    assert ask(site).status == 200
    assert site.waits == [7.5]


def test_a_wait_past_the_deadline_is_not_begun() -> None:
    upstreams = Upstreams(a=[answers(b"{}", status=429, retry_after="90"), GOOD])
    site = world(upstreams, "a", retries=1)
    heard = ask(site)
    assert (heard.status, heard.headers["retry-after"], site.waits) == (429, "90", [])
    assert upstreams.hits == {"a": 1}


def test_a_fallback_answers_and_everything_names_it() -> None:
    upstreams = Upstreams(a=[FAILS], b=[GOOD])
    site = world(upstreams, "a", "b", fallback=("a", "b"))
    heard = ask(site)
    assert (heard.status, heard.headers["x-modelwright-variant"]) == (200, "b")
    assert upstreams.hits == {"a": 1, "b": 1}
    failed, row = outcomes(site)
    assert (failed.variant, failed.provider, failed.model) == ("a", "a", "a-model")
    assert (row.variant, row.provider, row.model, row.attempts) == ("b", "b", "b-model", 2)
    assert site.waits == []
    assert b'"b-model"' in site.upstream.requests[-1].body
    assert (b"authorization", b"Bearer sk-b") in site.upstream.requests[-1].headers


def test_retries_come_before_fallbacks_and_each_variant_is_asked_in_its_turn() -> None:
    upstreams = Upstreams(a=[FAILS], b=[FAILS], c=[FAILS])
    site = world(upstreams, "a", "b", "c", retries=1, fallback=("c", "a", "b"))
    heard = ask(site)
    assert (heard.status, heard.headers["x-modelwright-variant"]) == (502, "b")
    assert upstreams.hits == {"a": 2, "b": 2, "c": 2}
    assert [row.variant for row in outcomes(site)] == ["a", "a", "c", "c", "b", "b"]


def test_a_long_wait_is_left_for_a_fallback() -> None:
    upstreams = Upstreams(a=[answers(b"{}", status=429, retry_after="5")], b=[GOOD])
    site = world(upstreams, "a", "b", retries=2, fallback=("b",))
    assert ask(site).headers["x-modelwright-variant"] == "b"
    assert site.waits == []


def test_a_request_that_is_wrong_goes_nowhere_else() -> None:
    refusal = b'{"error":{"message":"no such parameter"}}'
    upstreams = Upstreams(a=[answers(refusal, status=400)], b=[GOOD])
    site = world(upstreams, "a", "b", retries=2, fallback=("b",))
    heard = ask(site)
    assert (heard.status, heard.body) == (400, refusal)
    assert upstreams.hits == {"a": 1, "b": 0}


def test_a_provider_that_is_off_is_passed_over() -> None:
    off, on = providers("a", "b")
    entries = (msgspec.structs.replace(off, off="set A_KEY"), on)
    upstreams = Upstreams(a=[FAILS], b=[GOOD])
    site = world(upstreams, "a", "b", fallback=("a", "b"), providers=entries)
    heard = ask(site)
    assert (heard.status, heard.headers["x-modelwright-variant"]) == (200, "b")
    assert [row.attempts for row in outcomes(site)] == [1]


def test_a_refused_key_rests_and_the_next_is_tried_at_once() -> None:
    keys = {"sk-dead": answers(b"{}", status=401), "sk-live": GOOD}
    used: list[str] = []

    def upstream(request: UpstreamRequest) -> Scripted:
        used.append(dict(request.headers)[b"authorization"].decode().removeprefix("Bearer "))
        return keys[used[-1]]

    entries = providers("a", a=("sk-dead", "sk-live"))
    site = World(upstream, endpoints=(endpoint("a"),), providers=entries)
    assert [ask(site).status for _ in range(3)] == [200, 200, 200]
    assert used == ["sk-dead", "sk-live", "sk-live", "sk-live"]
    assert [row.outcome for row in outcomes(site)] == ["provider_auth", "ok", "ok", "ok"]
    assert site.waits == []
    site.gateway.apply(snapshot(serial=2, endpoints=(endpoint("a"),), providers=entries))
    ask(site)
    assert used[-1] == "sk-live", "a new snapshot does not wake a key"


def test_another_key_is_no_way_around_an_open_breaker() -> None:
    (entry,) = providers("a", a=("k1", "k2"))
    entry = msgspec.structs.replace(entry, breaker=BreakerRule(failures=1))
    route = world(Upstreams(a=[GOOD]), "a", providers=(entry,)).gateway.in_force().table.routes["chat"]
    (lane,) = route.lanes
    failed = Failed(verdict="again", error=ProviderRateLimited("slow down"))
    assert Journey(route, lane).next(failed, now=0.0, left=60.0, chance=0.5) == Step(lane)
    breaker = lane.replicas[0].breaker
    assert breaker is not None
    breaker.fail("another call", 0.0)
    assert Journey(route, lane).next(failed, now=0.0, left=60.0, chance=0.5) is None


def test_every_key_is_tried_once_and_no_more() -> None:
    upstreams = Upstreams(a=[answers(b"{}", status=429)])
    site = world(upstreams, "a", providers=providers("a", a=("k1", "k2", "k3")))
    assert ask(site).status == 429
    assert upstreams.hits == {"a": 3}


BEFORE_CONTENT = [
    streams(ROLE, whole=False),
    streams(ROLE),
    streams(b'data: {"error":{"message":"overloaded","code":503}}\n\n'),
    streams(b": nothing\n\n", 0.3),
    answers(b"{}", status=500),
    Scripted(error=ProviderUnreachable("no route")),
    Scripted(before_head=0.3),
]


@pytest.mark.parametrize("broken", BEFORE_CONTENT)
def test_before_the_first_content_the_client_sees_one_clean_stream(broken: Scripted) -> None:
    upstreams = Upstreams(a=[broken], b=[streams(ROLE, chunk("Hi"), USAGE, DONE)])
    times = Timeouts(connect=0.1, first_token=0.1, idle=0.1, total=60.0)
    site = world(upstreams, "a", "b", fallback=("b",), timeouts=times)
    heard = ask(site, STREAM)
    assert (heard.status, heard.body) == (200, ROLE + chunk("Hi") + DONE)
    assert heard.headers["x-modelwright-variant"] == "b"
    failed, row = outcomes(site)
    assert (failed.variant, row.variant, row.outcome, row.chunks) == ("a", "b", "ok", 2)
    assert len(site.in_flight) == 0


@pytest.mark.parametrize("whole", [True, False])
def test_after_the_first_content_nothing_is_tried_again(*, whole: bool) -> None:
    upstreams = Upstreams(a=[streams(ROLE, chunk("Hi"), whole=whole)], b=[streams(chunk("never"), DONE)])
    site = world(upstreams, "a", "b", retries=2, fallback=("b",))
    heard = ask(site, STREAM)
    assert heard.status == 200
    assert b"upstream_truncated" in heard.parts[-1]
    assert DONE not in heard.body
    assert upstreams.hits == {"a": 1, "b": 0}
    assert [(row.variant, row.outcome) for row in outcomes(site)] == [("a", "upstream_truncated")]


def test_a_client_that_leaves_while_it_is_waited_ends_the_call_and_only_what_was_asked_costs() -> None:
    upstreams = Upstreams(a=[FAILS])
    known = endpoint("a", retries=5)
    (priced,) = (msgspec.structs.replace(each, price=Price(input=10**10, output=10**10)) for each in known.variants)
    known = msgspec.structs.replace(known, variants=(priced,))
    limits = Limits(each=(Limit(by="tenant", of="cost", amount=10**14, per="day", currency="USD"),))
    site = World(upstreams, endpoints=(known,), providers=providers("a"), limits=limits)

    async def run() -> None:
        leave = asyncio.Event()
        waiting = asyncio.Event()

        async def sleep(_: float) -> None:
            waiting.set()
            await asyncio.sleep(60)

        site.gateway.parts.sleep = sleep
        site.gateway.apply(msgspec.structs.replace(site.gateway.in_force().table.snapshot, serial=2))
        asked = asyncio.create_task(site.ask(leave=leave))
        await waiting.wait()
        leave.set()
        site.clock.advance(1.0)
        site.in_flight.sweep()
        await asked

    asyncio.run(run())
    assert upstreams.hits == {"a": 1}
    failed, row = outcomes(site)
    assert (failed.call, failed.attempt_of, failed.outcome) == ("call-1.1", "call-1", "provider_error")
    assert (row.call, row.outcome, row.attempts) == ("call-1", "client_disconnect", 1)
    assert (row.input_tokens, row.output_tokens, row.machine_us, row.cost) == (0, 0, 0, "0")
    assert costs_of((failed, row)) in ({"USD": 0}, {"USD": 0, "": 0})
    assert all(replica.in_flight == 0 for lane in site.gateway.in_force().table.routes["chat"].lanes
               for replica in lane.replicas)  # fmt: skip


def test_a_silent_upstream_is_given_up_by_the_sweep_and_another_one_asked() -> None:
    upstreams = Upstreams(a=[streams(ROLE, 900.0)], b=[streams(chunk("Hi"), DONE)])
    times = Timeouts(connect=1.0, first_token=30.0, idle=900.0, total=60.0)
    site = world(upstreams, "a", "b", fallback=("b",), timeouts=times)

    async def run() -> Heard:
        asked = asyncio.create_task(site.ask(STREAM))
        await upstreams.asked.wait()
        site.clock.advance(31.0)
        site.in_flight.sweep()
        return await asked

    heard = asyncio.run(run())
    assert (heard.status, heard.body) == (200, chunk("Hi") + DONE)
    assert [(row.variant, row.outcome) for row in outcomes(site)] == [("a", "provider_timeout"), ("b", "ok")]


def test_past_the_total_time_nothing_is_tried_again() -> None:
    upstreams = Upstreams(a=[streams(ROLE, 900.0)], b=[streams(chunk("Hi"), DONE)])
    times = Timeouts(connect=1.0, first_token=900.0, idle=900.0, total=60.0)
    site = world(upstreams, "a", "b", retries=2, fallback=("b",), timeouts=times)

    async def run() -> Heard:
        asked = asyncio.create_task(site.ask(STREAM))
        await upstreams.asked.wait()
        site.clock.advance(61.0)
        site.in_flight.sweep()
        return await asked

    heard = asyncio.run(run())
    assert (heard.status, heard.error["code"]) == (504, "provider_timeout")
    assert upstreams.hits == {"a": 1, "b": 0}


def test_without_a_wish_the_policy_is_not_there() -> None:
    upstreams = Upstreams(a=[FAILS])
    site = world(upstreams, "a")
    assert ask(site).status == 502
    assert upstreams.hits == {"a": 1}
    assert "Retry" not in repr(site.gateway.in_force().chain)


def test_a_worker_of_ours_that_is_busy_or_lost_is_asked_again_elsewhere() -> None:
    def upstream(request: UpstreamRequest) -> Scripted:
        hits.append(request.origin.host)
        return script.pop(0)

    hits: list[str] = []
    digits = msgspec.structs.replace(snapshot().endpoints[1], retries=Retries(attempts=2, backoff=0.1))
    script = [answers(b"{}", status=503, retry_after="1"), Scripted(error=ProviderUnreachable("gone")), GOOD]
    site = World(upstream, endpoints=(digits,))
    heard = ask(site, {}, path="/v2/models/digits/infer")
    assert heard.status == 200
    assert site.waits == pytest.approx([1.05, 1.1])
    assert hits[2] != hits[1], "one that is lost is not asked again"
    assert [(row.outcome, row.status) for row in outcomes(site)] == [
        ("model_unavailable", 503), ("model_unavailable", 503), ("ok", 200),
    ]  # fmt: skip


def test_an_input_that_breaks_our_engine_is_not_sent_to_it_again() -> None:
    digits = msgspec.structs.replace(snapshot().endpoints[1], retries=Retries(attempts=2))
    site = World([answers(b'{"error":"no"}', status=500)], endpoints=(digits,))
    heard = ask(site, {}, path="/v2/models/digits/infer")
    assert (heard.status, heard.body) == (500, b'{"error":"no"}')
    assert [row.outcome for row in outcomes(site)] == ["engine_failed"]
