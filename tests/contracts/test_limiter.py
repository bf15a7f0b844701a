"""One suite for whoever keeps limits: in the memory of one worker, and in Redis for many."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import uuid4

import pytest

from modelwright.adapters.limits.memory import MemoryLimits
from modelwright.adapters.limits.redis import Away, RedisLimits
from modelwright.app.system import SystemClock
from modelwright.core.contracts.snapshot import Limit
from modelwright.core.limits import Ask, Rule, Spent, Used, Verdict, zone_of
from modelwright.core.ports.limits import Limiter
from tests.making.redis_server import RedisServer

HOUR = Rule(Limit(by="key", of="requests", amount=10, per="hour"), zone_of("UTC"))
TOKENS = Rule(Limit(by="tenant", of="tokens", amount=1000, per="month"), zone_of("Asia/Shanghai"))
PLACES = Rule(Limit(by="key", of="concurrency", amount=2), zone_of("UTC"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(params=["memory", "redis"])
async def limiter(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[Limiter]:
    if request.param == "memory":
        yield MemoryLimits(time.time)
        return
    away = Away(rates="closed", after=5.0)
    limits = RedisLimits(server.url, site=uuid4().hex, place="a", clock=SystemClock(), away=away)
    yield limits
    await limits.close()


async def reserve(limiter: Limiter, *asks: Ask, call: str = "") -> Verdict:
    verdict = limiter.reserve(call or uuid4().hex, asks)
    return await verdict if inspect.isawaitable(verdict) else verdict


async def admitted(limiter: Limiter, asks: Sequence[Ask], *, times: int) -> list[str]:
    """The ids of those calls that pass, of so many that come at once."""
    calls = [uuid4().hex for _ in range(times)]
    verdicts = await asyncio.gather(*(reserve(limiter, *asks, call=call) for call in calls))
    return [call for call, verdict in zip(calls, verdicts, strict=True) if verdict.refused is None]


def one(rule: Rule, subject: str, amount: int = 1) -> Ask:
    return Ask(rule, subject, amount)


async def test_as_many_pass_as_the_limit_says_however_many_come_at_once(limiter: Limiter) -> None:
    assert len(await admitted(limiter, [one(HOUR, "a")], times=200)) == 10
    assert len(await admitted(limiter, [one(HOUR, "b")], times=200)) == 10


async def test_all_limits_of_a_call_or_none(limiter: Limiter) -> None:
    assert len(await admitted(limiter, [one(PLACES, "a"), one(TOKENS, "t", 100)], times=20)) == 2
    assert len(await admitted(limiter, [one(TOKENS, "t", 100)], times=20)) == 8
    refused = await reserve(limiter, one(PLACES, "b"), one(TOKENS, "t", 1))
    assert refused.refused is not None
    assert refused.refused.rule is TOKENS
    assert len(await admitted(limiter, [one(PLACES, "b")], times=20)) == 2


async def test_one_subject_may_have_a_larger_limit_than_the_others(limiter: Limiter) -> None:
    own = Rule(Limit(by="key", whose="b", of="requests", amount=15, per="hour"), zone_of("UTC"))
    assert own.name == HOUR.name
    assert len(await admitted(limiter, [one(HOUR, "b")], times=20)) == 10
    assert len(await admitted(limiter, [one(own, "b")], times=20)) == 5, "what was used before counts"
    assert len(await admitted(limiter, [one(HOUR, "a")], times=20)) == 10


async def test_the_verdict_says_how_limits_stand(limiter: Limiter) -> None:
    verdict = await reserve(limiter, one(HOUR, "a"), one(TOKENS, "t", 300), one(PLACES, "a"))
    assert [(standing.rule.of, standing.remaining) for standing in verdict.standings] == [
        ("requests", 9),
        ("tokens", 700),
    ]
    assert 3600 < verdict.standings[0].reset <= 3600 + 180
    assert 0 < verdict.standings[1].reset <= 31 * 86400
    over = await reserve(limiter, one(TOKENS, "t", 701))
    assert over.refused is not None
    assert over.wait == pytest.approx(verdict.standings[1].reset, abs=60)
    assert over.standings[0].remaining == 700


async def test_what_never_fits_has_no_time_to_wait(limiter: Limiter) -> None:
    verdict = await reserve(limiter, one(TOKENS, "t", 1001))
    assert (verdict.refused is not None, verdict.wait) == (True, 0)


async def test_what_was_not_used_is_given_back_and_what_was_used_beyond_is_taken(limiter: Limiter) -> None:
    for tokens, left in ((50, 950), (300, 650), (None, 550), (0, 550)):
        call = uuid4().hex
        assert (await reserve(limiter, one(TOKENS, "t", 100), call=call)).refused is None
        limiter.settle(call, Spent(tokens=tokens))
        assert (await reserve(limiter, one(TOKENS, "t", 0))).standings[0].remaining == left


async def test_a_call_counts_once_whatever_is_repeated(limiter: Limiter) -> None:
    calls = await admitted(limiter, [one(PLACES, "a"), one(TOKENS, "t", 100)], times=2)
    for _ in range(3):
        limiter.settle(calls[0], Spent(tokens=10))
    limiter.settle("never heard of", Spent(tokens=900))
    assert (await reserve(limiter, one(TOKENS, "t", 0))).standings[0].remaining == 890
    assert len(await admitted(limiter, [one(PLACES, "a")], times=5)) == 1


async def test_a_call_that_was_never_made_has_used_nothing(limiter: Limiter) -> None:
    for call in await admitted(limiter, [one(HOUR, "a"), one(PLACES, "a"), one(TOKENS, "t", 100)], times=2):
        limiter.settle(call, None)
    verdict = await reserve(limiter, one(HOUR, "a"), one(TOKENS, "t", 0))
    assert [standing.remaining for standing in verdict.standings] == [9, 1000]
    assert len(await admitted(limiter, [one(PLACES, "a")], times=5)) == 2


async def test_what_was_used_before_counts_once_whatever_is_repeated(limiter: Limiter) -> None:
    slot, _ = TOKENS.window.at(time.time())
    for _ in range(2):
        limiter.restore([Used(TOKENS.name, "t", slot, 900, TOKENS.window.leaves(slot))])
    assert (await reserve(limiter, one(TOKENS, "t", 101))).refused is not None
    verdict = await reserve(limiter, one(TOKENS, "t", 60), one(TOKENS, "other", 0))
    assert [standing.remaining for standing in verdict.standings] == [40, 1000]


async def test_what_was_used_of_the_last_hour_leaves_it_bit_by_bit(limiter: Limiter) -> None:
    now, oldest = HOUR.window.at(time.time())
    before = [(oldest - 1, 5), (oldest + 2, 3), (now, 4)]  # the first has left the window
    for _ in range(2):
        limiter.restore([Used(HOUR.name, "a", slot, amount, HOUR.window.leaves(slot)) for slot, amount in before])
    verdict = await reserve(limiter, one(HOUR, "a", 4))
    assert verdict.refused is not None
    assert verdict.standings[0].remaining == 3
    assert 180 < verdict.wait <= 600, "when the older part has left"


async def test_subjects_do_not_meet(limiter: Limiter) -> None:
    for subject in ("a", "b", "a\0b", "", "ä", "x" * 500):
        assert len(await admitted(limiter, [one(PLACES, subject)], times=5)) == 2
