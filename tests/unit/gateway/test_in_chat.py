"""Calls on other wires, where policies inside know only chat."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.adapters.providers.table import dialect
from modelwright.core.contracts.guard import EndpointGuard, GuardSide
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Caching, ProviderEntry
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderError, ProviderUnreachable, UpstreamTruncated
from modelwright.core.ports.http import UpstreamRequest
from modelwright.core.wire import anthropic
from modelwright.gateway.call import Call, Reply
from modelwright.gateway.lanes import Replicas
from modelwright.gateway.policies.in_chat import InChat, in_chat
from modelwright.gateway.routing.table import build_table
from tests.unit.core.wire.between.wires import named_events
from tests.unit.gateway.upstreams import endpoint
from tests.unit.gateway.world import ANSWER, DONE, FINISH, ROLE, USAGE, World, chunk, snapshot, streams

MESSAGES = {("e", "messages")}
ASK: dict[str, Any] = {"model": "e", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


async def nobody(*_: object) -> Any:
    raise AssertionError("nobody reads here")


def call_of(operation: str = "messages", *, stream: bool = True) -> Call:
    row = LedgerRow(call="call-1", at=1.0, operation=operation, endpoint="e", stream=stream)
    body = msgspec.json.encode({**ASK, "stream": stream})
    return Call(row, operation, {}, 0.0, nobody, nobody, body=body, head=anthropic.read_head(body))


class Inside:
    """What stands behind the policy."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.seen: list[tuple[str, Any]] = []

    async def __call__(self, call: Call) -> Reply:
        self.seen.append((call.operation, msgspec.json.decode(call.body)))
        return self.reply


async def chunks(call: Call, *pieces: bytes, error: CallError | None = None) -> AsyncGenerator[bytes, None]:
    for number, piece in enumerate(pieces, 1):
        if number == len(pieces):
            call.failure = error
            call.ended = True
        yield piece


async def gathered(reply: Reply) -> bytes:
    assert reply.chunks is not None
    return b"".join([piece async for piece in reply.chunks])


async def test_inside_there_is_only_chat_and_outside_the_clients_wire() -> None:
    inside, call = Inside(Reply(200, headers=[], body=ANSWER)), call_of()
    reply = await InChat(MESSAGES)(call, inside)
    body = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    assert inside.seen == [("chat", body)]
    assert call.row.operation == "messages"
    assert msgspec.json.decode(reply.body)["content"] == [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize(
    ("operation", "endpoint", "stream"),
    [("chat", "e", True), ("messages", "other", True), ("messages", "e", False), ("infer", "e", False)],
)
async def test_all_other_calls_pass_by(operation: str, endpoint: str, stream: bool) -> None:  # noqa: FBT001
    inside, call = Inside(Reply(200, headers=[], body=ANSWER)), call_of(operation, stream=stream)
    reply = await InChat({(endpoint, "messages")})(call, inside)
    assert (inside.seen[0][0], reply.body) == (operation, ANSWER)


async def test_a_refusal_changes_its_envelope() -> None:
    inside = Inside(Reply(400, headers=[], body=b'{"error":{"message":"no"}}'))
    told = msgspec.json.decode((await InChat(MESSAGES)(call_of(), inside)).body)
    assert told == {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_stream_asks_for_usage_inside_and_tells_it_outside(size: int) -> None:
    call = call_of(stream=True)
    whole = ROLE + chunk("A") + chunk("B") + FINISH + USAGE + DONE
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    inside = Inside(Reply(200, headers=[], chunks=chunks(call, *pieces)))
    events = named_events(await gathered(await InChat(MESSAGES)(call, inside)))
    assert inside.seen[0][1]["stream_options"] == {"include_usage": True}
    assert [data["delta"]["text"] for name, data in events if name == "content_block_delta"] == ["A", "B"]
    assert events[-2][1]["usage"]["output_tokens"] == 4
    assert (call.ended, call.failure) == (True, None)


async def test_an_error_inside_is_one_outside() -> None:
    call, error = call_of(stream=True), ProviderError("it broke")
    failed = b'data: {"error":{"message":"it broke","code":"provider_error"}}\n\n'
    inside = Inside(Reply(200, headers=[], chunks=chunks(call, ROLE + chunk("A"), failed, error=error)))
    events = named_events(await gathered(await InChat(MESSAGES)(call, inside)))
    assert events[-1][1]["error"] == {"type": "api_error", "message": "it broke"}
    assert (call.failure, call.ended) == (error, True)


async def test_no_end_is_made_up() -> None:
    call = call_of(stream=True)
    inside = Inside(Reply(200, headers=[], chunks=chunks(call, chunk("A"), DONE)))
    events = named_events(await gathered(await InChat(MESSAGES)(call, inside)))
    assert events[-1][0] == "error"
    assert isinstance(call.failure, UpstreamTruncated)


async def test_what_chat_cannot_say_is_refused_before_anybody_is_asked() -> None:
    inside, call = Inside(Reply(200, headers=[])), call_of()
    call.body = msgspec.json.encode({**ASK, "container": "c"})
    with pytest.raises(CallError):
        await InChat(MESSAGES)(call, inside)
    assert not inside.seen


@pytest.mark.parametrize(
    ("kind", "asked", "calls"),
    [
        ("vllm", {"cache": Caching(ttl=1.0)}, {"messages", "responses"}),
        ("openai", {"cache": Caching(ttl=1.0)}, {"messages"}),
        ("anthropic", {"cache": Caching(ttl=1.0)}, set()),
        ("anthropic", {"guard": EndpointGuard(output=GuardSide(pii="mask"))}, {"messages", "responses"}),
        ("anthropic", {"guard": EndpointGuard(input=GuardSide(pii="mask"))}, set()),
        ("vllm", {}, set()),
    ],
)
def test_streams_are_seen_as_chat_where_somebody_must_read_them(
    kind: str, asked: dict[str, Any], calls: set[str]
) -> None:
    chat, digits = snapshot().endpoints
    entry = ProviderEntry(name="vendor", kind=kind, base_urls=("http://upstream/v1",), keys=("sk",))
    known = snapshot(
        endpoints=(msgspec.structs.replace(chat, **asked), digits), providers=(entry, snapshot().providers[1])
    )
    assert in_chat(build_table(known, replicas=Replicas(dialect), resolve=str)) == {
        ("chat", operation) for operation in calls
    }


LIMITS = {"messages": "max_tokens", "responses": "max_output_tokens"}


@pytest.mark.parametrize("operation", LIMITS)
@pytest.mark.parametrize(
    "names", [("openai", "mistral"), ("mistral", "openai"), ("openai", "vllm"), ("mistral", "vllm")]
)
async def test_each_vendor_gets_the_limit_by_its_own_name(operation: str, names: tuple[str, str]) -> None:
    sent: list[dict[str, Any]] = []

    def upstream(request: UpstreamRequest) -> Scripted:
        sent.append(msgspec.json.decode(request.body))
        if len(sent) == 1:
            return Scripted(error=ProviderUnreachable("no route"))
        return streams(ROLE, chunk("Hi"), FINISH, USAGE, DONE)

    entries = tuple(
        ProviderEntry(name=name, kind=name, base_urls=(f"http://{name}/v1",), keys=("sk",)) for name in names
    )
    known = msgspec.structs.replace(
        endpoint(*names, fallback=names[1:], guard=EndpointGuard(output=GuardSide(pii="mask"))),
        operations=("chat", "messages", "responses"),
    )
    site = World(upstream, endpoints=(known,), providers=entries)
    asked = {"model": "chat", "stream": True, LIMITS[operation]: 40}
    asked |= {"messages": ASK["messages"]} if operation == "messages" else {"input": "Hi", "store": False}
    assert (await site.ask(asked, path=f"/v1/{operation}")).status == 200
    own = ["max_completion_tokens" if name == "openai" else "max_tokens" for name in names]
    assert [{name: value for name, value in body.items() if "tokens" in name} for body in sent] == [
        {name: 40} for name in own
    ]


async def test_what_a_variant_sets_goes_before_the_clients_limit() -> None:
    known = endpoint("openai", guard=EndpointGuard(output=GuardSide(pii="mask")))
    variants = tuple(msgspec.structs.replace(each, parameters={"max_completion_tokens": 7}) for each in known.variants)
    known = msgspec.structs.replace(known, operations=("chat", "messages"), variants=variants)
    entry = ProviderEntry(name="openai", kind="openai", base_urls=("http://openai/v1",), keys=("sk",))
    site = World([streams(ROLE, chunk("Hi"), FINISH, USAGE, DONE)], endpoints=(known,), providers=(entry,))
    assert (await site.ask({**ASK, "model": "chat", "stream": True}, path="/v1/messages")).status == 200
    body = msgspec.json.decode(site.upstream.requests[0].body)
    assert (body["max_completion_tokens"], "max_tokens" in body) == (7, False)
