import asyncio
import gzip
import json

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.providers import ProviderTimeout, ProviderUnreachable
from modelwright.core.keys import key_digest
from tests.unit.gateway.world import (
    ANSWER,
    CHAT,
    EVENT_STREAM,
    JSON,
    KEY,
    KEY_ID,
    PEPPER,
    Heard,
    World,
    answers,
    patient_chat,
)

INFER = "/v2/models/digits/infer"


def asked(world: World, *arguments: object, **options: object):
    return asyncio.run(world.ask(*arguments, **options))  # type: ignore[arg-type]


def test_an_answer_carries_its_ids_and_nothing_of_the_vendors_own() -> None:
    world = World([answers(openai_organization="org-secret", set_cookie="x", x_ratelimit_limit="1", date="now")])
    heard = asked(world, headers={"x-request-id": "mine"})
    assert heard.body == ANSWER
    assert heard.headers == {
        "content-type": "application/json",
        "content-length": str(len(ANSWER)),
        "x-request-id": "mine",
        "x-modelwright-call": "call-1",
        "x-modelwright-variant": "main",
    }


@pytest.mark.parametrize("given", ["", "with blank", "x" * 129, "caf\xe9", "a\tb"])
def test_a_request_id_that_is_none_is_replaced(given: str) -> None:
    heard = asked(World([answers()]), headers={"x-request-id": given})
    assert heard.headers["x-request-id"] == heard.headers["x-modelwright-call"] == "call-1"


def test_a_request_is_told_of_once_with_its_row() -> None:
    world = World([answers()])
    asked(world)
    event = world.finished()
    assert (event.method, event.path, event.status, event.client) == ("POST", CHAT, 200, "192.0.2.1")
    assert event.call == world.ledger.lines[-1]
    assert world.ledger.lines[-1].key == KEY_ID
    assert event.error == ""


def test_a_stranger_leaves_an_event_and_no_row() -> None:
    world = World()
    assert asked(world, secret="mw-wrong").status == 401
    assert world.finished().call is None
    assert world.finished().error == "unauthenticated"
    assert world.ledger.lines == []
    assert world.upstream.requests == []


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        (b"junk", CHAT, "malformed"),
        ({"model": "nobody"}, CHAT, "unknown_endpoint"),
        ({"model": "digits"}, CHAT, "unprocessable"),
        (b"x" * 10_001, CHAT, "too_large"),
        (b"{}", "/v2/models/chat/infer", "unprocessable"),
        (b"{}", "/v2/models/nobody/infer", "unknown_endpoint"),
    ],
)
def test_a_refused_call_has_one_row_and_no_intent(body: object, path: str, code: str) -> None:
    world = World()
    heard = asked(world, body, path=path)
    (row,) = world.ledger.lines
    assert (row.outcome, row.error, row.status, row.attempts) == ("refused", code, heard.status, 0)
    assert row.key == KEY_ID
    assert world.upstream.requests == []
    assert len(world.in_flight) == 0


def test_without_a_ledger_nothing_is_dispatched() -> None:
    world = World([answers()])
    world.ledger.full = True
    heard = asked(world)
    assert (heard.status, heard.error["code"]) == (503, "ledger_unavailable")
    assert heard.headers["retry-after"] == "5"
    assert world.upstream.requests == []
    world.ledger.full = False
    world.ledger.tend()
    assert world.outcomes() == ["refused"]


def test_an_outcome_that_cannot_be_written_holds_nobody_up() -> None:
    world = World(lambda _: _fill(world))
    assert asked(world).status == 200
    assert world.outcomes() == ["intent"]
    world.ledger.full = False
    world.ledger.tend()
    assert world.outcomes() == ["intent", "ok"]


def test_one_call_too_many_is_refused_before_its_body_is_read() -> None:
    async def scene() -> tuple[World, int, int]:
        world = World([Scripted(before_head=0.05, pieces=(ANSWER,))] * 2, max_in_flight=1)
        first = asyncio.ensure_future(world.ask())
        await asyncio.sleep(0)
        second = await world.ask(b"not even json")
        return world, (await first).status, second.status

    world, first, second = asyncio.run(scene())
    assert (first, second) == (200, 429)
    assert asked(world).status == 200
    assert sorted(world.outcomes()) == ["intent", "intent", "ok", "ok", "refused"]


@pytest.mark.parametrize(
    ("error", "status"), [(ProviderUnreachable("broken", place="10.0.0.7:80"), 502), (ProviderTimeout("late"), 504)]
)
def test_a_transport_that_fails_is_the_providers_failure(error: ProviderUnreachable, status: int) -> None:
    world = World([Scripted(error=error)])
    heard = asked(world)
    assert (heard.status, heard.error["code"]) == (status, error.code)
    assert "provider vendor" in heard.error["message"]
    assert "10.0.0.7" not in heard.error["message"]
    assert world.outcomes() == ["intent", error.code]


def test_the_providers_word_on_the_request_passes_untouched() -> None:
    theirs = b'{"error": {"message":"max_tokens is too large",  "type":"odd"} }'
    world = World([answers(theirs, status=400)])
    heard = asked(world)
    assert (heard.status, heard.body) == (400, theirs)
    assert world.outcomes() == ["intent", "provider_refused"]


def test_words_that_hold_the_key_do_not_pass() -> None:
    for status in (400, 404, 422, 500):
        world = World([answers(b'{"error":{"message":"you sent sk-secret"}}', status=status)])
        heard = asked(world)
        assert heard.status == 502
        assert b"sk-secret" not in heard.body


@pytest.mark.parametrize("status", [300, 301, 304, 307])
def test_a_redirect_is_not_followed(status: int) -> None:
    world = World([answers(b"", status=status, location="http://elsewhere")])
    assert asked(world).error["code"] == "provider_error"


def test_a_defect_of_ours_is_a_500_with_a_row() -> None:
    world = World(lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    with pytest.raises(ZeroDivisionError):
        asked(world)
    assert world.outcomes() == ["intent", "failed"]
    assert world.finished().status == 500


def test_a_snapshot_may_change_under_a_call() -> None:
    world = World([answers()])
    old = world.gateway.in_force()
    world.gateway.apply(msgspec.structs.replace(old.table.snapshot, serial=2, endpoints=()))
    assert asked(world).status == 404
    assert old.table.routes


def test_an_older_snapshot_is_refused() -> None:
    world = World(serial=5)
    with pytest.raises(Exception, match="older"):
        world.gateway.apply(msgspec.structs.replace(world.gateway.in_force().table.snapshot, serial=4))
    assert world.gateway.serial == 5


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_views_take_get_and_head(method: str) -> None:
    assert asked(World(), method=method, path="/healthz", secret="").status == 200


def test_draining_is_told() -> None:
    world = World()
    world.gateway.draining = True
    heard = asked(world, method="GET", path="/readyz", secret="")
    assert (heard.status, json.loads(heard.body)["reason"]) == (503, "draining")


# Our own models


def test_a_tensor_call_passes_with_its_headers_and_ids() -> None:
    body = b"\x00binary\xff"
    world = World([Scripted(headers=((b"inference-header-content-length", b"3"),), pieces=(b"{}\x01",))])
    heard = asked(
        world,
        body,
        path="/v2/models/digits/versions/2/infer",
        headers={"inference-header-content-length": "5", "content-type": "application/x-www-form-urlencoded"},
    )
    (request,) = world.upstream.requests
    assert (request.target, request.body) == ("/v2/models/digits/versions/2/infer", body)
    assert dict(request.headers) == {
        b"content-type": b"application/octet-stream",
        b"inference-header-content-length": b"5",
        b"x-modelwright-call": b"call-1",
        b"x-request-id": b"call-1",
    }
    assert heard.headers["inference-header-content-length"] == "3"
    assert heard.body == b"{}\x01"
    assert world.outcomes() == ["intent", "ok"]


def test_only_our_own_models_say_which_artifact_answered() -> None:
    own, vendor = (
        World([answers(b"{}", x_modelwright_artifact="sha256:a")]),
        World([answers(x_modelwright_artifact="sha256:forged")]),
    )
    assert asked(own, b"{}", path=INFER).headers["x-modelwright-artifact"] == "sha256:a"
    assert "x-modelwright-artifact" not in asked(vendor).headers


def test_errors_of_a_worker_pass_and_are_named() -> None:
    for status, outcome, error in (
        (400, "refused", "malformed"),
        (404, "refused", "unknown_endpoint"),
        (422, "refused", "unprocessable"),
        (429, "refused", "overloaded"),
        (500, "engine_failed", "engine_failed"),
        (503, "model_unavailable", "model_unavailable"),
    ):
        world = World([answers(b'{"error":"why"}', status=status, retry_after="3")])
        heard = asked(world, b"{}", path=INFER)
        assert (heard.status, heard.body, heard.headers["retry-after"]) == (status, b'{"error":"why"}', "3")
        row = world.ledger.lines[-1]
        assert (row.outcome, row.error, row.status) == (outcome, error, status)


def test_a_lost_worker_is_503_and_not_asked_again_until_it_answers() -> None:
    world = World(
        [Scripted(error=ProviderUnreachable("gone")), answers(b"{}"), Scripted(error=ProviderUnreachable("x"))]
    )
    heard = asked(world, b"{}", path=INFER)
    assert (heard.status, heard.headers["retry-after"]) == (503, "1")
    assert "worker of model digits" in json.loads(heard.body)["error"]
    assert asked(world, b"{}", path=INFER).status == 200
    assert {request.origin.host for request in world.upstream.requests} == {"/run/0.sock", "/run/1.sock"}
    assert asked(world, b"{}", path=INFER).status == 503
    assert asked(world, b"{}", path=INFER).status == 503
    assert len(world.upstream.requests) == 3
    assert world.outcomes()[-1] == "model_unavailable"


def test_calls_go_where_least_is_in_flight() -> None:
    async def scene() -> World:
        world = World([Scripted(before_head=0.05, pieces=(b"{}",))] * 6)
        await asyncio.gather(*(world.ask(b"{}", path=INFER) for _ in range(6)))
        return world

    world = asyncio.run(scene())
    hosts = [request.origin.host for request in world.upstream.requests]
    assert hosts.count("/run/0.sock") == hosts.count("/run/1.sock") == 3
    assert all(replica.in_flight == 0 for replica in world.gateway.own_replicas)


def test_a_client_that_leaves_before_the_head_is_noticed() -> None:
    async def scene() -> World:
        world = World([Scripted(before_head=30.0, pieces=(ANSWER,))], endpoints=(patient_chat(),))
        leave = asyncio.Event()
        asking = asyncio.ensure_future(world.ask(leave=leave))
        for _ in range(10):
            await asyncio.sleep(0)
        world.clock.advance(0.3)
        world.in_flight.sweep()
        await asyncio.sleep(0)
        leave.set()
        await asking
        return world

    world = asyncio.run(scene())
    row = world.ledger.lines[-1]
    assert (row.outcome, row.status, row.attempts) == ("client_disconnect", 499, 1)
    assert world.upstream.given_up == 1


def test_a_gateway_that_is_cancelled_answers_what_it_can_and_writes_it_down() -> None:
    async def scene() -> World:
        world = World([Scripted(before_head=30.0, headers=(EVENT_STREAM,))], endpoints=(patient_chat(),))
        asking = asyncio.ensure_future(world.ask())
        for _ in range(10):
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return world

    world = asyncio.run(scene())
    row = world.ledger.lines[-1]
    assert (row.outcome, row.error) == ("failed", "draining")
    assert world.finished().status == 503


# Keys


def test_a_key_is_remembered_only_as_long_as_its_snapshot_and_its_term() -> None:
    brief = Key(id="brief", digest=key_digest(PEPPER, KEY), expires=1_700_000_000.0 + 60)
    world = World([answers()] * 3, keys=(brief,))
    assert [asked(world).status, asked(world).status] == [200, 200]
    world.clock.advance(61)
    assert asked(world).status == 401
    world = World([answers()] * 2)
    assert asked(world).status == 200
    world.gateway.apply(msgspec.structs.replace(world.gateway.in_force().table.snapshot, serial=2, keys=()))
    assert asked(world).status == 401


def test_a_bearer_header_of_another_scheme_does_not_hide_the_api_key() -> None:
    world = World([answers()] * 2)
    mixed = {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": KEY}
    assert asked(world, headers=mixed).status == 200
    assert asked(world, headers={**mixed, "x-api-key": ""}).status == 401


def _fill(world: World) -> Scripted:
    world.ledger.full = True
    return answers()


async def told_by(upstream: Scripted, body: object = None) -> tuple[Heard, LedgerRow]:
    world = World([upstream])
    heard = await world.ask(body)
    return heard, world.ledger.lines[-1]


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_encoded_can_hide_a_secret_and_is_no_answer(status: int, *, stream: bool) -> None:
    kind = EVENT_STREAM if stream and status == 200 else JSON
    zipped = gzip.compress(b'{"error":{"message":"your key sk-secret is wrong"}}')
    upstream = Scripted(status=status, headers=(kind, (b"content-encoding", b"gzip")), pieces=(zipped,))
    heard, row = await told_by(upstream, {"model": "chat", "messages": [], "stream": stream})
    assert (heard.status, heard.error["code"], row.outcome) == (502, "provider_error", "provider_error")
    assert "encoded as gzip" in heard.error["message"]
    plain = Scripted(headers=(JSON, (b"content-encoding", b"identity")), pieces=(ANSWER,))
    assert (await told_by(plain))[0].body == ANSWER


@pytest.mark.parametrize("count", [-1, 1 << 64, 10**30])
async def test_a_count_that_no_ledger_can_hold_is_unknown(count: int) -> None:
    heard, row = await told_by(answers(b'{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":1}}' % count))
    assert (heard.status, row.outcome, row.input_tokens, row.output_tokens) == (200, "ok", None, None)


async def test_a_zero_byte_in_a_users_name_reaches_no_database() -> None:
    _, row = await told_by(answers(), {"model": "chat", "messages": [], "user": "a\0b"})
    assert row.user == "a\ufffdb"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("", 200),
        ("http://localhost:3000", 200),
        ("https://app.localhost", 200),
        ("http://127.0.0.1:8000", 200),
        ("http://[::1]:8000", 200),
        ("chrome-extension://abcdef", 200),
        ("null", 403),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("HTTP://127.0.0.1.evil.example:8000", 403),
        ("http://evil.example/localhost", 403),
    ],
)
async def test_without_keys_no_page_from_elsewhere_may_spend(origin: str, status: int) -> None:
    world = World([answers()], auth="none")
    assert (await world.ask(headers={"origin": origin}, secret="")).status == status
    assert len(world.upstream.requests) == (status == 200)
    with_keys = World([answers()])
    assert (await with_keys.ask(headers={"origin": origin})).status == 200
