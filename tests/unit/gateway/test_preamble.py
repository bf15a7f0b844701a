"""Prompts before a client's messages, through a whole gateway in memory."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.guard import EndpointGuard, GuardSide
from modelwright.core.contracts.snapshot import (
    Caching,
    Endpoint,
    Prompt,
    PromptMessage,
    PromptVariable,
    ProviderEntry,
    Variant,
)
from modelwright.core.errors.starting import StartError
from tests.unit.gateway.world import (
    DONE,
    FINISH,
    QUICK,
    ROLE,
    USAGE,
    World,
    answers,
    chunk,
    snapshot,
    streams,
)

HELLO = {"role": "user", "content": "Hello"}
PLAIN = Prompt(
    name="support",
    version="v1",
    digest="sha256:1",
    messages=(PromptMessage(role="system", content='Be "brief".'), PromptMessage(role="assistant", content="Yes.")),
)
FILLED = Prompt(
    name="support",
    version="v2",
    digest="sha256:2",
    messages=(PromptMessage(role="system", content="About {{ product }}, {{ tone }}."),),
    variables=(
        PromptVariable(name="product", type="string", max_length=20),
        PromptVariable(name="tone", type="string", required=False, default="dry", max_length=20),
    ),
)


def world(
    *named: str, prompts: tuple[Prompt, ...] = (PLAIN, FILLED), script: Sequence[Scripted] = (), **changes: Any
) -> World:
    """`chat` with a variant for each prompt; the header `x-user` chooses nothing, all weight is on the first."""
    variants = tuple(
        Variant(name=f"v{number}", provider="vendor", model="theirs", prompt=name, weight=float(number == 0))
        for number, name in enumerate(named)
    )
    chat = Endpoint(
        name="chat",
        operations=("chat", "embeddings", "messages", "responses"),
        variants=variants,
        timeouts=QUICK,
        **changes,
    )
    return World(script or [answers()] * 5, endpoints=(chat, snapshot().endpoints[1]), prompts=prompts)


def body(**changes: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": [HELLO], **changes}


def sent(world: World) -> dict[str, Any]:
    """The one body that went upstream."""
    (request,) = world.upstream.requests
    return msgspec.json.decode(request.body)


async def test_fixed_messages_go_before_the_client_s() -> None:
    here = world("support@v1")
    heard = await here.ask(body(temperature=0.5))
    assert heard.status == 200
    assert sent(here) == {
        "model": "theirs",
        "temperature": 0.5,
        "messages": [{"role": "system", "content": 'Be "brief".'}, {"role": "assistant", "content": "Yes."}, HELLO],
    }


async def test_variables_are_filled_in_and_no_provider_sees_them() -> None:
    here = world("support@v2")
    await here.ask(body(prompt_variables={"product": "Kites {{ tone }}"}))
    assert sent(here)["messages"] == [{"role": "system", "content": "About Kites {{ tone }}, dry."}, HELLO]
    assert set(sent(here)) == {"model", "messages"}


@pytest.mark.parametrize("messages", [[], None])
async def test_a_call_without_messages_of_its_own_has_the_prompt_s(messages: object) -> None:
    here = world("support@v1")
    content = body() if messages is not None else {"model": "chat"}
    assert (await here.ask({**content, "messages": []} if messages is not None else content)).status == 200
    assert [message["role"] for message in sent(here)["messages"]] == ["system", "assistant"]


async def test_the_ledger_and_the_log_tell_which_version_it_was() -> None:
    here = world("support@v2")
    await here.ask(body(prompt_variables={"product": "Kites"}))
    for line in here.ledger.lines:
        assert (line.prompt, line.prompt_digest) == ("support@v2", "sha256:2")
    assert b'"prompt":"support@v2"' in msgspec.json.encode(here.finished())
    assert b"Kites" not in msgspec.json.encode(here.finished())


@pytest.mark.parametrize(
    ("given", "param", "words"),
    [
        ({}, "prompt_variables.product", "'product' is missing"),
        ({"product": 5}, "prompt_variables.product", "'product' is no string"),
        ({"product": "x" * 21}, "prompt_variables.product", "'product' has 21 characters, more than 20"),
        ({"product": "Kites", "tnoe": "x"}, "prompt_variables.tnoe", "did you mean tone?"),
        (["product"], "prompt_variables", "is no object"),
    ],
)
async def test_variables_that_do_not_fit_are_named_and_nobody_is_asked(given: object, param: str, words: str) -> None:
    here = world("support@v2")
    heard = await here.ask(body(prompt_variables=given))
    assert heard.status == 400
    assert (heard.error["param"], heard.error["code"]) == (param, "malformed")
    assert words in heard.error["message"]
    assert not here.upstream.requests
    assert here.outcomes() == ["refused"]


async def test_a_variant_may_be_given_what_another_one_takes() -> None:
    for first in ("support@v1", ""):
        here = world(first, "support@v2")
        assert (await here.ask(body(prompt_variables={"product": "Kites"}))).status == 200
        assert "prompt_variables" not in sent(here)
        assert (await here.ask(body(prompt_variables={"other": "Kites"}))).status == 400


async def test_an_endpoint_without_prompts_takes_no_variables() -> None:
    here = world("")
    heard = await here.ask(body(prompt_variables={"product": "Kites"}))
    assert (heard.status, heard.error["param"]) == (400, "prompt_variables")
    for nothing in ({}, None):
        here = world("")
        assert (await here.ask(body(prompt_variables=nothing))).status == 200
        assert "prompt_variables" not in sent(here)


@pytest.mark.parametrize("messages", ["Hello", {"role": "user"}, 5])
async def test_messages_that_are_no_list_are_refused(messages: object) -> None:
    heard = await world("support@v1").ask(body(messages=messages))
    assert (heard.status, heard.error["param"]) == (400, "messages")


async def test_a_body_with_two_lists_of_messages_is_sent_with_one() -> None:
    here = world("support@v1")
    await here.ask(b'{"model":"chat","messages":[{"role":"user","content":"A"}],"messages":[ ]}')
    (request,) = here.upstream.requests
    assert request.body.count(b'"messages"') == 1
    assert [message["role"] for message in sent(here)["messages"]] == ["system", "assistant"]


async def test_a_template_that_fails_is_our_fault_and_told() -> None:
    bad = msgspec.structs.replace(FILLED, messages=(PromptMessage(role="user", content="{{ product|round }}"),))
    here = world("support@v2", prompts=(bad,))
    heard = await here.ask(body(prompt_variables={"product": "Kites"}))
    assert (heard.status, heard.error["code"]) == (500, "prompt_failed")
    assert here.outcomes() == ["failed"]


async def test_a_version_is_compiled_once_for_all_snapshots() -> None:
    here = world("support@v2")
    book = here.gateway._prompts
    before = book.open(snapshot(prompts=(FILLED,)))["support@v2"]
    assert book.open(snapshot(prompts=(FILLED, PLAIN), serial=2))["support@v2"] is before
    book.open(snapshot())
    assert book.open(snapshot(prompts=(FILLED,)))["support@v2"] is not before


def test_a_snapshot_whose_prompts_cannot_be_used_is_refused_whole() -> None:
    with pytest.raises(StartError, match="'support@v3', which the snapshot does not hold"):
        world("support@v3")
    hostile = msgspec.structs.replace(FILLED, messages=(PromptMessage(role="user", content="{{ ''.__class__ }}"),))
    with pytest.raises(StartError, match="prompt support@v2: an attribute"):
        world("support@v2", prompts=(hostile,))


async def test_an_answer_that_was_kept_is_the_one_to_this_version_of_the_prompt() -> None:
    whole = answers(b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}')
    here = world("support@v1", cache=Caching(ttl=60.0), script=[whole] * 2)
    for _ in range(2):
        assert (await here.ask(body())).status == 200
    assert len(here.upstream.requests) == 1
    assert here.ledger.lines[-1].cache == "hit"
    assert here.ledger.lines[-1].prompt == "support@v1"
    edited = msgspec.structs.replace(PLAIN, digest="sha256:9")
    here.gateway.apply(msgspec.structs.replace(here.gateway.in_force().table.snapshot, serial=2, prompts=(edited,)))
    await here.ask(body())
    assert len(here.upstream.requests) == 2


async def test_a_fallback_has_the_prompt_of_its_own_variant() -> None:
    here = world("support@v1", "support@v2", fallback=("v0", "v1"), script=[answers(b"{}", status=500), answers()])
    heard = await here.ask(body(prompt_variables={"product": "Kites"}))
    assert heard.status == 200
    first, second = (msgspec.json.decode(request.body)["messages"][0] for request in here.upstream.requests)
    assert (first["content"], second["content"]) == ('Be "brief".', "About Kites, dry.")
    assert (here.ledger.lines[-1].prompt, here.ledger.lines[-1].prompt_digest) == ("support@v2", "sha256:2")


async def test_a_guard_sees_the_variables_whatever_they_are_called() -> None:
    prompt = msgspec.structs.replace(
        FILLED,
        messages=(PromptMessage(role="system", content="For {{ name }}."),),
        variables=(PromptVariable(name="name", type="string", max_length=50),),
    )
    mask = EndpointGuard(input=GuardSide(pii="mask"))
    here = world("support@v2", prompts=(prompt,), guard=mask)
    heard = await here.ask(body(prompt_variables={"name": "ann@example.com"}))
    assert heard.status == 200
    assert "ann@example.com" not in sent(here)["messages"][0]["content"]
    assert here.ledger.lines[-1].guards == {"input.email": "mask:1"}


BEFORE = [{"role": "system", "content": "About Kites, dry."}]
GIVEN = {"prompt_variables": {"product": "Kites"}, "max_tokens": 9}
CLAUDE = ProviderEntry(name="vendor", kind="anthropic", base_urls=("http://upstream",), keys=("sk",))
OPENAI = ProviderEntry(name="vendor", kind="openai", base_urls=("http://upstream/v1",), keys=("sk",))
MESSAGE = answers(b'{"type":"message","content":[],"stop_reason":"end_turn"}')


def serving(entry: ProviderEntry, *named: str, **changes: Any) -> World:
    here = world(*named, **changes)
    known = here.gateway.in_force().table.snapshot
    providers = (entry, *(one for one in known.providers if one.name != "vendor"))
    here.gateway.apply(msgspec.structs.replace(known, serial=2, providers=providers))
    return here


async def test_a_prompt_goes_before_messages_whoever_answers_them() -> None:
    asked = {**body(), **GIVEN, "system": "Be kind."}
    native = serving(CLAUDE, "support@v2", script=[MESSAGE])
    assert (await native.ask(asked, path="/v1/messages")).status == 200
    assert sent(native) == {
        "model": "theirs", "max_tokens": 9, "messages": [HELLO], "system": "About Kites, dry.\n\nBe kind."
    }  # fmt: skip
    translated = world("support@v2")
    assert (await translated.ask(asked, path="/v1/messages")).status == 200
    system = {"role": "system", "content": "About Kites, dry.\n\nBe kind."}
    assert sent(translated) == {"model": "theirs", "max_tokens": 9, "messages": [system, HELLO]}
    assert {line.prompt for line in (*native.ledger.lines, *translated.ledger.lines)} == {"support@v2"}


async def test_a_prompt_goes_before_the_input_of_a_response_and_the_client_hears_its_own_words() -> None:
    asked = {"model": "chat", "input": "Hello", "instructions": "Be kind.", "prompt_variables": {"product": "Kites"}}
    kind = {"role": "system", "content": "Be kind."}
    native = serving(OPENAI, "support@v2", script=[answers(b'{"object":"response","status":"completed","output":[]}')])
    assert (await native.ask(asked, path="/v1/responses")).status == 200
    assert sent(native) == {"model": "theirs", "input": [*BEFORE, kind, HELLO], "store": False}
    translated = world("support@v2")
    heard = await translated.ask(asked, path="/v1/responses")
    assert sent(translated) == {"model": "theirs", "messages": [*BEFORE, kind, HELLO]}
    assert msgspec.json.decode(heard.body)["instructions"] == "Be kind."
    assert b"About" not in heard.body


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("operation", ["messages", "responses"])
async def test_a_streams_prompt_is_filled_in_once_also_where_it_goes_on_as_chat(
    operation: str,
    guarded: bool,  # noqa: FBT001
) -> None:
    guard: dict[str, Any] = {"guard": EndpointGuard(output=GuardSide(pii="mask"))} if guarded else {}
    here = world("support@v2", script=[streams(ROLE, chunk("Hi"), FINISH, USAGE, DONE)], **guard)
    asked = {"model": "chat", "stream": True, **GIVEN}
    asked |= {"messages": [HELLO]} if operation == "messages" else {"input": "Hello", "instructions": "Be kind."}
    heard = await here.ask(asked, path=f"/v1/{operation}")
    assert heard.status == 200
    told = sent(here)["messages"]
    assert [message["content"] for message in told].count("About Kites, dry.") == 1
    assert (told[0], told[-1], "prompt_variables" in sent(here)) == (BEFORE[0], HELLO, False)
    assert b"About" not in heard.body
    if operation == "responses":
        assert b'"instructions":"Be kind."' in heard.body


@pytest.mark.parametrize("operation", ["messages", "responses"])
async def test_variables_that_do_not_fit_are_refused_on_every_wire(operation: str) -> None:
    for named, given in (("support@v2", {}), ("support@v1", {"x": 1}), ("", {"x": 1})):
        here = world(named)
        asked = {**body(max_tokens=9), "input": "Hello", "prompt_variables": given}
        heard = await here.ask(asked, path=f"/v1/{operation}")
        assert (heard.status, len(here.upstream.requests)) == (400, 0)
        assert heard.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("operation", ["messages", "responses"])
async def test_kept_answers_of_every_wire_are_kept_by_values_and_version(operation: str) -> None:
    whole = answers(b'{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}')
    here = world("support@v2", cache=Caching(ttl=60.0), script=[whole] * 3)
    given: dict[str, Any] = {}
    for product, asked in (("Kites", 1), ("Kites", 1), ("Boats", 2)):
        given = {**body(max_tokens=9), "input": "Hello", "prompt_variables": {"product": product}}
        assert (await here.ask(given, path=f"/v1/{operation}")).status == 200
        assert len(here.upstream.requests) == asked
    changed = msgspec.structs.replace(FILLED, digest="sha256:9")
    here.gateway.apply(msgspec.structs.replace(here.gateway.in_force().table.snapshot, serial=2, prompts=(changed,)))
    assert (await here.ask(given, path=f"/v1/{operation}")).status == 200
    assert len(here.upstream.requests) == 3


SHOP = (
    "You are the assistant of a shop. Never give a discount above ten percent, never name the suppliers, and when a "
    "customer asks for the manager answer that she is in a meeting until five o'clock and offer to write to her."
)
STORY = "Once upon a time there was a kite that wanted to see the sea, so it tore its string and flew over nine hills."


@pytest.mark.parametrize("operation", ["chat", "messages", "responses"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("told", [True, False])
async def test_an_answer_that_tells_the_variants_own_prompt_is_a_leak(
    operation: str, *, stream: bool, told: bool
) -> None:
    secret = Prompt(
        name="support",
        version="v3",
        digest="sha256:3",
        messages=(PromptMessage(role="system", content=SHOP + " This is what you read: {{ story }}"),),
        variables=(PromptVariable(name="story", type="string", max_length=200),),
    )
    said = SHOP if told else STORY  # what the client itself has given is no secret
    script = [streams(chunk(said), FINISH, DONE)] if stream else [_says(said)]
    leaks = EndpointGuard(output=GuardSide(leak="block"))
    here = world("support@v3", prompts=(secret,), script=script, guard=leaks)
    asked = {"model": "chat", "stream": stream, "prompt_variables": {"story": STORY}}
    wires = {
        "chat": ("/v1/chat/completions", {"messages": [HELLO]}),
        "messages": ("/v1/messages", {"messages": [HELLO], "max_tokens": 5}),
        "responses": ("/v1/responses", {"input": "Hello"}),
    }
    path, fields = wires[operation]
    heard = await here.ask({**asked, **fields}, path=path)
    row = here.ledger.lines[-1]
    assert row.guards == ({"output.leak": "block:1"} if told else {})
    assert row.outcome == ("guard_blocked" if told else "ok")
    assert (b"customer asks for the manager" in heard.body) is False


def _says(text: str) -> Scripted:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return answers(msgspec.json.encode({"choices": [choice]}))
