import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import (
    CallError,
    Malformed,
    MethodNotAllowed,
    Overloaded,
    Stopped,
    TooLarge,
    UnknownPath,
)
from modelwright.core.ports.clock import ManualClock
from modelwright.gateway.http.body import AHEAD, SWALLOWED, Body, BodyBudget
from modelwright.gateway.http.exchange import Exchange
from modelwright.gateway.http.paths import match
from modelwright.gateway.http.tags import read_tags
from modelwright.gateway.ids import CallIds
from modelwright.gateway.limits.address import Addresses

# Paths


@pytest.mark.parametrize(
    ("method", "path", "template", "what", "model", "version"),
    [
        ("POST", "/v1/chat/completions", "/v1/chat/completions", "chat", "", ""),
        ("POST", "/v1/embeddings/", "/v1/embeddings", "embeddings", "", ""),
        ("GET", "/v1/models/a/b", "/v1/models/{model}", "model", "a/b", ""),
        ("GET", "/v2/models/m", "/v2/models/{model}", "metadata", "m", ""),
        ("GET", "/v2/models/m/ready", "/v2/models/{model}/ready", "ready", "m", ""),
        ("POST", "/v2/models/m/infer", "/v2/models/{model}/infer", "infer", "m", ""),
        ("GET", "/v2/models/m/versions/3", "/v2/models/{model}/versions/{version}", "metadata", "m", "3"),
        ("POST", "/v2/models/m/versions/3/infer", "/v2/models/{model}/versions/{version}/infer", "infer", "m", "3"),
        ("HEAD", "/readyz", "/readyz", "ready", "", ""),
    ],
)
def test_a_path_says_what_is_asked(method: str, path: str, template: str, what: str, model: str, version: str) -> None:
    found = match(method, path)
    assert (found.template, found.operation or found.view) == (template, what)
    assert (found.model, found.version) == (model, version)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v1", "/v1/chat", "/v2/models", "/v2/models/", "/v2/models/m/versions", "/v2/models/m/versions//infer",
     "/v2/models/m/infer/x", "/v2/models/../infer", "/v2/models/a b/infer", "/v2/models/" + "x" * 200, "/healthz/x"],
)  # fmt: skip
def test_other_paths_are_unknown(path: str) -> None:
    with pytest.raises(UnknownPath) as caught:
        match("POST", path)
    assert len(caught.value.message) < 200


def test_a_wrong_method_names_the_right_one() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        match("PUT", "/v2/models/m/infer")
    assert caught.value.place == "POST"


@given(st.sampled_from(["GET", "POST", "PUT"]), st.text(max_size=60))
def test_no_path_makes_the_table_fail(method: str, path: str) -> None:
    for tried in (path, f"/v2/models/{path}", f"/v1/models/{path}"):
        try:
            found = match(method, tried)
        except CallError as error:
            assert error.code in {"unknown_path", "method_not_allowed"}  # noqa: PT017 - either way is right
        else:
            assert "{" in found.template or found.template == tried.rstrip("/")


# Tags


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("task=summary", {"task": "summary"}),
        (" task = a b ,team=x-1.y_z", {"task": "a b", "team": "x-1.y_z"}),
        ("a=1,a=2", {"a": "2"}),
        ("a=ü", {"a": "ü"}),
    ],
)
def test_tags_are_read(value: str, expected: dict[str, str]) -> None:
    assert read_tags(value.encode()) == expected


@given(st.binary(max_size=80))
def test_tags_are_bounded_or_refused(value: bytes) -> None:
    try:
        found = read_tags(value)
    except Malformed as error:
        assert error.param == "x-modelwright-tags"  # noqa: PT017 - either way is right
    else:
        assert all(len(name) <= 32 and 0 < len(text) <= 128 for name, text in found.items())


# Bodies


def reading(*parts: bytes | None, declared: int | None = None, limit: int = 100, room: int = 1000) -> tuple[Any, Body]:
    """The result of reading (or the error), where None stands for a client that leaves."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        part = left.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    budget = BodyBudget(room)
    body = Body(receive, declared=None if declared is None else b"%d" % declared, budget=budget)
    try:
        result: Any = asyncio.run(body.read(limit))
    except CallError as error:
        result = error
    assert budget.held == 0
    return result, body


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8))
def test_a_body_is_its_parts_or_too_large(parts: list[bytes]) -> None:
    result, _ = reading(*parts)
    whole = b"".join(parts)
    assert result == whole if len(whole) <= 100 else isinstance(result, TooLarge)


def test_a_declared_length_is_enough_to_refuse() -> None:
    result, body = reading(declared=101)
    assert isinstance(result, TooLarge)
    assert not body.hang_up
    result, body = reading(declared=101 + SWALLOWED)
    assert isinstance(result, TooLarge)
    assert body.hang_up


@pytest.mark.parametrize(
    ("size", "room", "limit", "held", "kind"),
    [
        (AHEAD, 4 * AHEAD, AHEAD, [AHEAD], bytes),
        (AHEAD, 4 * AHEAD - 1, AHEAD, [], bytes),
        (AHEAD, AHEAD, AHEAD - 1, [], TooLarge),
        (AHEAD, AHEAD - 1, AHEAD, [], Overloaded),
        (AHEAD + 1, 2 * AHEAD, 2 * AHEAD, [], bytes),
    ],
)
def test_memory_for_a_large_body_is_counted_before_it_arrives_up_to_a_quarter_of_all(
    size: int, room: int, limit: int, held: list[int], kind: type[Any]
) -> None:
    budget = BodyBudget(room)
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    found: list[int] = []
    asked = 0

    async def into(memory: memoryview) -> bool:
        found.append(budget.held)
        memory[:] = content
        return True

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 1:
            return {"type": "http.request", "body": b"", "more_body": True, "modelwright.into": into}
        return {"type": "http.request", "body": content, "more_body": False}

    body = Body(receive, declared=b"%d" % size, budget=budget)
    result: Any
    try:
        result = asyncio.run(body.read(limit))
    except CallError as error:
        result = error
    assert isinstance(result, kind)
    assert not isinstance(result, bytes) or result == content
    assert (found, budget.held) == (held, 0)


def test_a_client_that_leaves_a_large_body_frees_its_place() -> None:
    budget = BodyBudget()

    async def into(memory: memoryview) -> bool:
        assert budget.held == len(memory) == 100_000
        return False

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": True, "modelwright.into": into}

    with pytest.raises(Stopped):
        asyncio.run(Body(receive, declared=b"100000", budget=budget).read(1 << 20))
    assert budget.held == 0


def test_a_body_without_end_is_left_alone_at_some_point() -> None:
    result, body = reading(b"x" * 200, b"x" * SWALLOWED, b"x" * 100, b"never read")
    assert isinstance(result, TooLarge)
    assert body.hang_up


def test_all_bodies_together_have_a_limit() -> None:
    result, _ = reading(b"x" * 60, b"x" * 30, room=70)
    assert isinstance(result, Overloaded)


@pytest.mark.parametrize("parts", [(None,), (b"x", None)])
def test_a_client_may_leave_while_it_sends(parts: tuple[bytes | None, ...]) -> None:
    result, _ = reading(*parts)
    assert isinstance(result, Stopped)


# Ids


def test_ids_are_uuid7_and_sort_by_time() -> None:
    clock = ManualClock()
    ids = CallIds(clock, random.Random(7).randbytes)
    made: list[str] = []
    for _ in range(1000):
        made.append(ids())
        clock.advance(0.001)
    assert made == sorted(made)
    assert len({one[-12:] for one in made}) == 1000
    for one in made[:300]:
        assert [len(part) for part in one.split("-")] == [8, 4, 4, 4, 12]
        assert one[14] == "7"
        assert one[19] in "89ab"
    assert int(made[0][:8] + made[0][9:13], 16) == 1_700_000_000_000
    assert {one[19] for one in made} == set("89ab")


async def _nothing(_: object) -> None:
    return


def test_lines_of_one_header_are_one_list() -> None:
    lines = [(b"x-forwarded-for", b"198.51.100.9"), (b"host", b"t"), (b"x-forwarded-for", b"10.1.1.1, 10.2.2.2")]
    scope = {"method": "POST", "path": "/v1/chat/completions", "client": ("10.3.3.3", 1), "headers": lines}
    exchange = Exchange(scope, _nothing, started=0.0, call_id="c")
    assert exchange.headers == {b"x-forwarded-for": b"198.51.100.9, 10.1.1.1, 10.2.2.2", b"host": b"t"}
    assert Addresses(("10.0.0.0/8",)).of(exchange.client, exchange.headers) == "198.51.100.9"


async def test_a_body_that_does_not_arrive_holds_its_connection_for_a_while_only() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    body = Body(receive, declared=b"50", budget=BodyBudget())
    with pytest.raises(Malformed, match="did not arrive"):
        await body.read_soon(50, within=0.01)
    assert body.hang_up


def test_blanks_without_end_in_a_tag_take_no_time() -> None:
    with pytest.raises(Malformed):
        read_tags(b"a=b" + b" " * (8 << 20) + b"\0")
