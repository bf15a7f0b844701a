"""Which variant and which replica is asked, through a whole gateway in memory."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.guard import EndpointGuard, GuardRule, GuardSide
from modelwright.core.contracts.snapshot import BreakerRule, Endpoint, Price, ProviderEntry
from modelwright.core.ports.http import UpstreamRequest
from tests.unit.gateway.upstreams import FAILS, GOOD, Upstreams, ask, endpoint, providers
from tests.unit.gateway.world import World, answers, snapshot


def choosing(by: str, *names: str, **changes: Any) -> Endpoint:
    known = endpoint(*names, **changes)
    variants = tuple(msgspec.structs.replace(variant, weight=1.0) for variant in known.variants)
    return msgspec.structs.replace(known, choose=by, variants=variants)


def loads(site: World) -> list[int]:
    return [lane.load.in_flight for lane in site.gateway.in_force().table.routes["chat"].lanes]


def variants(site: World, count: int) -> Counter[str]:
    return Counter(ask(site).headers["x-modelwright-variant"] for _ in range(count))


def test_the_quickest_is_asked_once_all_are_known() -> None:
    site = World(
        Upstreams(a=[GOOD], b=[GOOD]), endpoints=(choosing("latency", "a", "b"),), providers=providers("a", "b")
    )
    quick, slow = site.gateway.in_force().table.routes["chat"].lanes
    quick.load.observe(0.1, stream=False, now=0.0)
    slow.load.observe(5.0, stream=False, now=0.0)
    assert variants(site, 5) == {"a": 5}
    assert loads(site) == [0, 0]


def test_one_that_fails_seems_slow() -> None:
    upstreams = Upstreams(a=[FAILS], b=[GOOD])
    known = choosing("latency", "a", "b", fallback=("a", "b"))
    site = World(upstreams, endpoints=(known,), providers=providers("a", "b"))
    for lane in site.gateway.in_force().table.routes["chat"].lanes:
        lane.load.observe(0.01, stream=False, now=0.0)
    assert {ask(site).status for _ in range(6)} == {200}
    assert upstreams.hits["a"] <= 2


def test_what_a_guard_blocks_says_nothing_of_the_variant() -> None:
    rules = EndpointGuard(output=GuardSide(rules=(GuardRule(name="greeting", action="block", words=("Hi",)),)))
    known = choosing("latency", "a", "b", guard=rules)
    site = World(Upstreams(a=[GOOD], b=[GOOD]), endpoints=(known,), providers=providers("a", "b"))
    first, second = (lane.load for lane in site.gateway.in_force().table.routes["chat"].lanes)
    before = [load.expected(stream=False, now=0.0) for load in (first, second)]
    assert ask(site).error["code"] == "guard_blocked"
    assert [load.expected(stream=False, now=0.0) for load in (first, second)] == before


def test_what_was_measured_outlives_a_snapshot() -> None:
    known = choosing("latency", "a", "b")
    site = World(Upstreams(a=[GOOD], b=[GOOD]), endpoints=(known,), providers=providers("a", "b"))
    first = [lane.load for lane in site.gateway.in_force().table.routes["chat"].lanes]
    site.gateway.apply(snapshot(serial=2, endpoints=(known,), providers=providers("a", "b")))
    assert [lane.load for lane in site.gateway.in_force().table.routes["chat"].lanes] == first


@pytest.mark.parametrize(("chance", "expected"), [(0.0, "a"), (0.4, "b"), (0.99, "c")])
def test_the_least_busy_is_asked_and_equals_by_chance(chance: float, expected: str) -> None:
    names = ("a", "b", "c")
    known = choosing("in_flight", *names)
    site = World(Upstreams(a=[GOOD], b=[GOOD], c=[GOOD]), endpoints=(known,), providers=providers(*names))
    site.chance = chance
    assert variants(site, 1) == {expected: 1}
    lanes = site.gateway.in_force().table.routes["chat"].lanes
    for lane in lanes:
        lane.load.in_flight = 2
    lanes[1].load.in_flight = 1
    assert variants(site, 1) == {"b": 1}
    assert loads(site) == [2, 1, 2]


@pytest.mark.parametrize("chance", [0.0, 0.2, 0.4, 0.6, 0.8, 0.999])
def test_of_many_the_better_of_two_is_asked(chance: float) -> None:
    names = ("a", "b", "c")
    known = choosing("latency", *names)
    site = World(Upstreams(a=[GOOD], b=[GOOD], c=[GOOD]), endpoints=(known,), providers=providers(*names))
    for lane, seconds in zip(site.gateway.in_force().table.routes["chat"].lanes, (1.0, 2.0, 3.0), strict=True):
        lane.load.observe(seconds, stream=False, now=0.0)
    site.chance = chance
    assert "c" not in variants(site, 1), "there is always a better one beside the worst"


def priced(name: str, output: int | None) -> dict[str, Price | None]:
    return {name: None if output is None else Price(input=1, output=output)}


def test_the_cheapest_that_is_up_is_asked() -> None:
    prices = {**priced("a", 9), **priced("b", 2), **priced("c", None)}
    known = choosing("price", "a", "b", "c")
    known = msgspec.structs.replace(
        known,
        variants=tuple(msgspec.structs.replace(variant, price=prices[variant.name]) for variant in known.variants),
    )
    entries = tuple(
        msgspec.structs.replace(entry, breaker=BreakerRule(failures=1)) for entry in providers("a", "b", "c")
    )
    site = World(Upstreams(a=[GOOD], b=[GOOD, FAILS], c=[GOOD]), endpoints=(known,), providers=entries)
    assert variants(site, 4) == {"b": 2, "a": 2}


def test_a_variant_of_weight_zero_or_off_is_not_chosen() -> None:
    known = choosing("in_flight", "a", "b", "c")
    first, *others = known.variants
    known = msgspec.structs.replace(known, variants=(msgspec.structs.replace(first, weight=0.0), *others))
    a, b, c = providers("a", "b", "c")
    entries = (a, msgspec.structs.replace(b, off="set B_KEY"), c)
    site = World(Upstreams(a=[GOOD], b=[GOOD], c=[GOOD]), endpoints=(known,), providers=entries)
    assert variants(site, 3) == {"c": 3}


def test_a_user_keeps_the_replica_of_our_model_while_it_is_up() -> None:
    def upstream(request: UpstreamRequest) -> Scripted:
        hosts.append(request.origin.host)
        return answers()

    hosts: list[str] = []
    digits = msgspec.structs.replace(snapshot().endpoints[1], split_header="x-user-id", split_replicas=True)
    urls = tuple(f"unix:/run/{number}.sock" for number in range(3))
    entry = ProviderEntry(name="serving:digits", kind="serving", base_urls=urls)
    site = World(upstream, endpoints=(digits,), providers=(entry,))

    def replica_of(user: int) -> str:
        assert ask(site, {}, path="/v2/models/digits/infer", headers={"x-user-id": f"u{user}"}).status == 200
        return hosts[-1]

    kept = {user: replica_of(user) for user in range(30)}
    assert set(kept.values()) == {"/run/0.sock", "/run/1.sock", "/run/2.sock"}
    assert {user: replica_of(user) for user in range(30)} == kept
    site.gateway.own_replicas[0].up = False
    moved = {user: replica_of(user) for user in range(30)}
    assert "/run/0.sock" not in moved.values()
    assert {user for user in kept if moved[user] != kept[user]} == {
        user for user in kept if kept[user] == "/run/0.sock"
    }
