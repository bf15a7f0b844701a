"""What limits keep of a call that ended before anybody had counted all of it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.adapters.limits.memory import MemoryLimits
from modelwright.core.contracts.guard import EndpointGuard, GuardRule, GuardSide
from modelwright.core.contracts.snapshot import Endpoint, Limit, Limits, Price, ProviderEntry, Retries, Variant
from modelwright.core.errors.providers import ProviderTimeout
from modelwright.core.limits import Ask, Spent, Verdict, actual
from tests.unit.gateway.world import (
    CHAT,
    DONE,
    FINISH,
    ROLE,
    USAGE,
    World,
    answers,
    chunk,
    patient_chat,
    snapshot,
    streams,
)

LIMITS = Limits(
    each=(
        Limit(by="tenant", of="cost", amount=10**15, per="day", currency="USD"),
        Limit(by="key", of="tokens", amount=10_000, per="minute"),
    )
)
PRICED = Variant(name="main", provider="vendor", model="theirs", price=Price(input=10**6, output=10**6))
"""A token of either kind costs as much, so that a budget is used as tokens are."""
UNITS = {"cost": 10**6, "tokens": 1}
ANTHROPIC = ProviderEntry(name="vendor", kind="anthropic", base_urls=("http://upstream",), keys=("sk-secret",))
BLOCKING = EndpointGuard(output=GuardSide(rules=(GuardRule(name="word", action="block", words=("secretword",)),)))
STREAM = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "stream": True, "max_tokens": 2000}
BROKEN = b'data: {"error":{"message":"lost","code":500}}\n\n'


def chat(**changes: Any) -> tuple[Endpoint, ...]:
    known = {"operations": ("chat", "messages"), "variants": (PRICED,), **changes}
    return (msgspec.structs.replace(patient_chat(), **known),)


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


BEGUN = event("message_start", message={"content": [], "usage": {"input_tokens": 25, "output_tokens": 1}})
WORD = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "word "})


class Watched(MemoryLimits):
    """Notes what each limit has kept of its reservation."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.asked: dict[str, int] = {}
        self.kept: dict[str, int] = {}

    def reserve(self, call: str, asks: Sequence[Ask]) -> Verdict:
        self._asks = asks
        self.asked = {ask.rule.of: ask.amount for ask in asks}
        return super().reserve(call, asks)

    def settle(self, call: str, spent: Spent | None) -> None:
        self.kept = {ask.rule.of: actual(ask, spent) for ask in self._asks}
        super().settle(call, spent)


def watched(*script: Scripted, **changes: Any) -> tuple[World, Watched]:
    world = World(script, limits=LIMITS)
    world.limiter = limiter = Watched(world.clock.now)
    world.gateway.apply(snapshot(serial=2, limits=LIMITS, **changes))
    return world, limiter


@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
@pytest.mark.parametrize("leaves", [True, False])
async def test_who_hangs_up_on_anthropics_stream_pays_for_what_was_reserved(path: str, *, leaves: bool) -> None:
    script = streams(BEGUN, *[WORD] * 40, *([900.0] if leaves else []), whole=False)
    world, limiter = watched(script, endpoints=chat(), providers=(ANTHROPIC,))
    leave = asyncio.Event()
    call = asyncio.ensure_future(world.ask(STREAM, path=path, leave=leave))
    if leaves:
        for _ in range(200):
            await asyncio.sleep(0)
        world.clock.advance(0.3)
        world.in_flight.sweep()
        await asyncio.sleep(0)
        leave.set()
    await call
    row = world.ledger.lines[-1]
    assert row.outcome == ("client_disconnect" if leaves else "upstream_truncated")
    assert (row.input_tokens, row.output_tokens, row.cost) == (25, None, None)
    assert limiter.kept == limiter.asked


@pytest.mark.parametrize(
    ("end", "guard", "outcome"),
    [((chunk("secretword "), FINISH, USAGE, DONE), BLOCKING, "guard_blocked"), ((BROKEN,), None, "provider_error")],
)
async def test_a_stream_that_was_cut_after_its_beginning_keeps_its_reservation(
    end: tuple[bytes, ...], guard: EndpointGuard | None, outcome: str
) -> None:
    world, limiter = watched(streams(ROLE, *[chunk("hello there ")] * 5, *end), endpoints=chat(guard=guard))
    heard = await world.ask(STREAM)
    assert b"hello" in heard.body
    assert world.ledger.lines[-1].outcome == outcome
    assert limiter.kept == limiter.asked


async def test_attempts_that_nobody_counted_do_not_hide_those_that_were() -> None:
    lost = Scripted(error=ProviderTimeout("too slow"))
    world, limiter = watched(lost, lost, answers(), endpoints=chat(retries=Retries(attempts=2)))
    assert (await world.ask(STREAM)).status == 200
    assert world.outcomes().count("provider_timeout") == 2
    assert limiter.kept == {of: 2 * amount + 7 * UNITS[of] for of, amount in limiter.asked.items()}


async def test_a_model_without_a_price_gives_back_what_its_fallback_would_have_cost() -> None:
    own = Variant(name="own", provider="serving:digits", model="digits")
    variants = (own, msgspec.structs.replace(PRICED, weight=0.0))
    world, limiter = watched(answers(), endpoints=chat(variants=variants, fallback=("main",)))
    assert (await world.ask(STREAM)).status == 200
    assert (world.ledger.lines[-1].variant, world.ledger.lines[-1].cost) == ("own", None)
    assert limiter.asked["cost"] > 0
    assert limiter.kept["cost"] == 0
