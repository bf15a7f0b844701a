import asyncio

import msgspec
import pytest

from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.adapters.prompts.jinja import compile_prompt
from modelwright.adapters.providers.table import dialect
from modelwright.core.contracts.snapshot import ProviderEntry, Snapshot, Variant
from modelwright.core.errors.calls import CallError, ModelUnavailable, Overloaded
from modelwright.core.errors.providers import ProviderTimeout, ProviderUnreachable
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.http import UpstreamRequest
from modelwright.core.ports.providers import Outbound
from modelwright.gateway import health
from modelwright.gateway.call import Call, Reply
from modelwright.gateway.chain import compose
from modelwright.gateway.health import probe
from modelwright.gateway.lanes import Lane, Replicas, Table
from modelwright.gateway.prompting.preamble import PromptBook
from modelwright.gateway.routing.table import build_table
from tests.unit.gateway.world import World, answers, snapshot


def resolve(reference: str) -> str:
    if "MISSING" in reference:
        raise StartError("the secret MISSING is not set", hint="set MISSING")
    return reference.removeprefix("secret:")


def table(known: Snapshot, replicas: Replicas | None = None) -> Table:
    return build_table(
        known, replicas=replicas or Replicas(dialect), resolve=resolve, prompts=PromptBook(compile_prompt)
    )


def lane(found: Table, endpoint: str = "chat") -> Lane:
    return found.routes[endpoint].lanes[0]


def with_provider(**changes: object) -> Snapshot:
    known = snapshot()
    vendor, *rest = known.providers
    return msgspec.structs.replace(known, providers=(msgspec.structs.replace(vendor, **changes), *rest))


def test_keys_are_looked_up_and_take_turns() -> None:
    found = lane(table(with_provider(keys=("secret:a", "b"))))
    assert [found.standing.ring.take(0.0) for _ in range(4)] == ["a", "b", "a", "b"]
    assert found.secrets == ("a", "b")
    assert lane(table(with_provider(keys=()))).standing.ring.take(0.0) == ""


def test_a_missing_secret_turns_off_its_provider_alone() -> None:
    found = table(with_provider(keys=("secret:MISSING",)))
    assert lane(found).off == "set MISSING"
    assert lane(found, "digits").off == ""


@pytest.mark.parametrize("key", ["a\nb", "ключ", " blank", "blank ", "\x7f"])
def test_a_key_that_no_header_can_carry_is_not_shown(key: str) -> None:
    found = lane(table(with_provider(keys=(key,))))
    assert found.off
    assert key.strip() not in found.off or key.strip() == "blank"


@pytest.mark.parametrize(
    "bad",
    [
        with_provider(name="another"),
        with_provider(kind="unknown"),
        with_provider(base_urls=("not a url",)),
        snapshot(split_salt="not hex"),
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused_whole(bad: Snapshot) -> None:
    with pytest.raises((ModelwrightError, ValueError)):
        table(bad)


def test_weights_of_zero_leave_nothing_to_choose() -> None:
    known = snapshot()
    chat, *rest = known.endpoints
    none = tuple(msgspec.structs.replace(variant, weight=0.0) for variant in chat.variants)
    with pytest.raises(StartError, match="weight"):
        table(snapshot(endpoints=(msgspec.structs.replace(chat, variants=none), *rest)))


def test_replicas_keep_their_state_over_snapshots_until_their_entry_changes() -> None:
    replicas = Replicas(dialect)
    first = table(snapshot(), replicas)
    first.replicas[0].up = False
    first.replicas[0].in_flight = 3
    second = table(with_provider(keys=("new",)), replicas)
    assert second.replicas == first.replicas
    own = msgspec.structs.replace(snapshot().providers[1], options={"a": "b"})
    third = table(snapshot(providers=(snapshot().providers[0], own)), replicas)
    assert third.replicas[0] is not first.replicas[0]
    table(snapshot(providers=snapshot().providers[:1], endpoints=snapshot().endpoints[:1]), replicas)
    assert table(snapshot(), replicas).replicas[1] is not third.replicas[1]


def test_the_ready_and_least_busy_replica_is_picked() -> None:
    found = lane(table(snapshot()), "digits")
    one, two = found.replicas
    one.in_flight = 2
    assert found.pick(0.0) is two
    two.ready = False
    assert found.pick(0.0) is one
    one.up = False
    assert found.pick(0.0) is two
    two.up = False
    with pytest.raises(ModelUnavailable) as caught:
        found.pick(0.0)
    assert caught.value.retry_after


@pytest.mark.parametrize(
    ("answer", "up", "ready"),
    [
        (Scripted(pieces=(b"{}",)), True, True),
        (Scripted(status=503, pieces=(b"{}",)), True, False),
        (Scripted(error=ProviderUnreachable("gone")), False, False),
        (Scripted(pieces=(b"{",), whole=False), False, False),
    ],
)
def test_a_probe_notes_what_it_finds(answer: Scripted, *, up: bool, ready: bool) -> None:
    replica = table(snapshot()).replicas[0]
    transport = FakeTransport([answer])
    asyncio.run(probe(replica, transport))
    assert (replica.up, replica.ready) == (up, ready)
    (request,) = transport.requests
    assert (request.method, request.target) == ("GET", "/readyz")


@pytest.mark.parametrize("silence", [ProviderTimeout("no answer"), Overloaded("no room")])
def test_a_worker_that_is_silent_is_busy_as_long_as_a_connection_to_it_is_open(silence: CallError) -> None:
    replica = table(snapshot()).replicas[0]
    transport = FakeTransport([Scripted(error=silence)] * 3 + [Scripted(pieces=(b"{}",))] + [Scripted(error=silence)])
    origin = replica.dialect.request(Outbound(operation="alive", model="")).origin
    transport.open_to.add(origin)
    asyncio.run(probe(replica, transport))
    assert (replica.up, replica.ready) == (True, False)
    replica.lose()
    asyncio.run(probe(replica, transport))
    assert not replica.up, "what was lost has to answer first"
    transport.open_to.clear()
    asyncio.run(probe(replica, transport))
    assert (replica.up, replica.ready) == (False, False)
    asyncio.run(probe(replica, transport))
    assert (replica.up, replica.ready) == (True, True)
    asyncio.run(probe(replica, transport))
    assert (replica.up, replica.ready) == (False, False)


async def test_a_watch_asks_at_once_when_a_call_was_lost() -> None:
    replica = table(snapshot()).replicas[0]
    transport = FakeTransport(lambda _: Scripted(pieces=(b"{}",)))
    watching = asyncio.ensure_future(health.watch(replica, transport))
    try:
        async with asyncio.timeout(health.CALM / 2):
            while not transport.requests:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
            replica.lose()
            while not replica.up:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0)
    finally:
        watching.cancel()
    assert len(transport.requests) == 2


def test_a_watch_asks_until_it_is_cancelled() -> None:
    async def scene() -> tuple[FakeTransport, bool]:
        replica = table(snapshot()).replicas[0]
        script = [Scripted(error=ProviderUnreachable("gone"))] * 2
        third = asyncio.Event()

        def answer(_: UpstreamRequest) -> Scripted:
            if script:
                return script.pop()
            third.set()
            return Scripted(pieces=(b"{}",))

        transport = FakeTransport(answer)
        watching = asyncio.ensure_future(health.watch(replica, transport))
        await third.wait()
        await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        return transport, replica.up

    transport, up = asyncio.run(scene())
    assert len(transport.requests) == 3
    assert up


# The chain


def test_policies_run_from_the_outermost_and_may_answer_refuse_or_look() -> None:
    seen: list[str] = []

    def naming(name: str):
        async def policy(call: Call, proceed):
            seen.append(name)
            reply = await proceed(call)
            seen.append(f"{name} again")
            return reply

        return policy

    async def answer(call: Call, proceed) -> Reply:  # noqa: ARG001
        return Reply(200, headers=[], body=b"done")

    world = World()
    call = _call(world)
    reply = asyncio.run(_run(compose([naming("a"), naming("b"), answer]), call))
    assert reply.body == b"done"
    assert seen == ["a", "b", "b again", "a again"]
    with pytest.raises(RuntimeError, match="no policy answered"):
        asyncio.run(_run(compose([naming("c")]), call))


def test_a_refusal_in_front_stops_the_rest() -> None:
    def refuse(call: Call, proceed):  # noqa: ARG001
        raise CallError("no")

    with pytest.raises(CallError):
        asyncio.run(_run(compose([refuse]), _call(World())))


async def _run(handler, call: Call) -> Reply:
    return await handler(call)


def _call(world: World) -> Call:
    from modelwright.core.contracts.ledger import LedgerRow

    async def nothing(*_: object) -> bytes:
        return b""

    row = LedgerRow(call="c", at=world.clock.now(), operation="chat", endpoint="chat")
    return Call(row, "chat", {}, 0.0, nothing, nothing)  # type: ignore[arg-type]


def versioned() -> Snapshot:
    """`digits` in the versions 1 and v2: v2 is a variant of its own, 1 is not."""
    known = snapshot()
    chat, digits = known.endpoints
    variant = Variant(name="canary", provider="serving:digits@v2", model="digits")
    first = Variant(name="1", provider="serving:digits", model="digits")
    versions = (first, msgspec.structs.replace(variant, name="v2"))
    digits = msgspec.structs.replace(digits, variants=(variant,), versions=versions)
    second = ProviderEntry(name="serving:digits@v2", kind="serving", base_urls=("unix:/run/v2.sock",))
    return msgspec.structs.replace(known, endpoints=(chat, digits), providers=(*known.providers, second))


async def test_a_path_that_names_a_version_is_answered_by_it_whatever_the_weights() -> None:
    known = versioned()
    world = World([answers(), answers(), answers()], endpoints=known.endpoints, providers=known.providers)
    body = b"{}"
    for version, sockets in (("1", {"/run/0.sock", "/run/1.sock"}), ("v2", {"/run/v2.sock"}), ("", {"/run/v2.sock"})):
        middle = f"versions/{version}/" if version else ""
        heard = await world.ask(body, path=f"/v2/models/digits/{middle}infer")
        request = world.upstream.requests[-1]
        assert (heard.status, request.origin.host in sockets) == (200, True)
        assert request.target == f"/v2/models/digits/{middle}infer"
    variants = [row.variant for row in world.ledger.lines if row.outcome == "ok"]
    assert variants == ["1", "canary", "canary"], "a version that is a variant is that variant"
    unknown = await world.ask(body, path="/v2/models/digits/versions/3/infer")
    assert unknown.status == 404
    assert b"its versions are 1, v2" in unknown.body


def test_calls_of_a_snapshot_before_go_to_whoever_answers_now() -> None:
    replicas = Replicas(dialect)
    old = lane(table(snapshot(), replicas), "digits")
    assert [replica.url for replica in old.replicas] == ["unix:/run/0.sock", "unix:/run/1.sock"]
    old.replicas[1].in_flight = 3
    known = snapshot()
    vendor, digits = known.providers
    moved = msgspec.structs.replace(digits, base_urls=("unix:/run/1.sock", "unix:/run/2.sock"))
    new = lane(table(msgspec.structs.replace(known, providers=(vendor, moved)), replicas), "digits")
    assert old.replicas == new.replicas
    busy = {replica.url: replica.in_flight for replica in new.replicas}
    assert busy == {"unix:/run/1.sock": 3, "unix:/run/2.sock": 0}
