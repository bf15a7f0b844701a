"""Shadows: asked beside the call, recorded in rows of their own, and never seen by the client."""

import asyncio

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.snapshot import Endpoint, ProviderEntry, Snapshot, Variant
from modelwright.core.errors.providers import ProviderUnreachable
from modelwright.core.ports.http import UpstreamRequest
from modelwright.gateway.policies.mirror import MOST
from tests.unit.gateway.world import ANSWER, DONE, FINISH, QUICK, ROLE, USAGE, World, answers, chunk, snapshot, streams


def shadowed(share: float = 1.0) -> Endpoint:
    return Endpoint(
        name="chat",
        operations=("chat",),
        variants=(
            Variant(name="main", provider="vendor", model="theirs"),
            Variant(name="trial", provider="other", model="new", weight=0),
        ),
        timeouts=QUICK,
        shadow="trial",
        shadow_share=share,
    )


def world(trial: Scripted, *, share: float = 1.0, main: Scripted | None = None, most: int = MOST) -> World:
    def script(request: UpstreamRequest) -> Scripted:
        return trial if request.origin.host == "trial" else main or answers()

    known: Snapshot = snapshot()
    trial_entry = ProviderEntry(name="other", kind="vllm", base_urls=("http://trial/v1",), keys=("sk-other",))
    return World(script, most_shadows=most, endpoints=(shadowed(share),), providers=(*known.providers, trial_entry))


async def asked(at: World, **body: object):
    heard = await at.ask({"model": "chat", "messages": [], **body})
    for _ in range(200):
        if not len(at.shadows):
            break
        await asyncio.sleep(0.01)
    return heard


def rows(at: World) -> dict[str, tuple[str, str, str]]:
    ended = (line for line in at.ledger.lines if line.outcome != "intent")
    return {line.variant: (line.call, line.shadow_of, line.outcome) for line in ended}


async def test_a_shadow_has_a_row_of_its_own_and_the_client_sees_nothing_of_it() -> None:
    at = world(answers(b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}'))
    heard = await asked(at)
    assert heard.body == ANSWER
    assert rows(at) == {"main": ("call-1", "", "ok"), "trial": ("shadow-1", "call-1", "ok")}
    (trial,) = [line for line in at.ledger.lines if line.variant == "trial" and line.outcome == "ok"]
    assert (trial.input_tokens, trial.output_tokens, trial.tenant) == (7, 9, "t")


@pytest.mark.parametrize(
    ("trial", "outcome"),
    [
        (Scripted(error=ProviderUnreachable("gone", hint="")), "provider_unreachable"),
        (answers(b"{}", status=500), "provider_error"),
        (Scripted(pieces=(5.0,)), "upstream_stalled"),
    ],
)
async def test_a_failing_shadow_fails_alone(trial: Scripted, outcome: str) -> None:
    at = world(trial)
    heard = await asked(at)
    assert (heard.status, heard.body) == (200, ANSWER)
    assert rows(at)["trial"] == ("shadow-1", "call-1", outcome)


async def test_streams_are_shadowed_to_their_end() -> None:
    at = world(
        streams(ROLE, chunk("a"), chunk("b"), FINISH, USAGE, DONE), main=streams(ROLE, chunk("x"), FINISH, USAGE, DONE)
    )
    heard = await asked(at, stream=True)
    assert heard.body.endswith(DONE)
    assert b'"a"' not in heard.body
    (kept,) = [line for line in at.ledger.lines if line.variant == "trial" and line.outcome == "ok"]
    assert (kept.output_tokens, kept.stream) == (4, True)
    assert kept.bytes_out > 0


async def test_only_a_share_is_shadowed() -> None:
    assert set(rows_of(await told(share=0.4))) == {"main"}, "the chance of the tests is 0.5"
    assert set(rows_of(await told(share=0.6))) == {"main", "trial"}


async def test_there_are_never_more_than_a_bounded_number() -> None:
    at = world(Scripted(before_head=0.05, pieces=(ANSWER,)), most=2)
    await asyncio.gather(*(asked(at) for _ in range(5)))
    assert at.shadows.skipped == 3
    assert sum(line.shadow_of != "" and line.outcome == "ok" for line in at.ledger.lines) == 2


async def test_what_is_under_way_gets_its_outcome_at_the_end() -> None:
    at = world(Scripted(before_head=0.09, pieces=(ANSWER,)))
    await at.ask({"model": "chat", "messages": []})
    await asyncio.sleep(0.01)
    await at.shadows.close()
    assert rows(at)["trial"] == ("shadow-1", "call-1", "failed")


async def told(*, share: float) -> World:
    at = world(answers(), share=share)
    await asked(at)
    return at


def rows_of(at: World) -> dict[str, object]:
    return dict(rows(at))


def test_the_row_says_whose_shadow_it_is() -> None:
    at = world(answers())
    asyncio.run(asked(at))
    kept = [msgspec.structs.asdict(line)["shadow_of"] for line in at.ledger.lines]
    assert kept.count("call-1") == 2
