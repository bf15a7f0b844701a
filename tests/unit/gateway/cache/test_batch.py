"""Batches of inputs to embed: only what is missing is asked for, and every vector comes back in its place."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.snapshot import Endpoint, Price, Variant
from modelwright.core.ports.http import UpstreamRequest
from modelwright.core.prices import read_money
from tests.unit.gateway.cache.test_policy import OTHER_KEY, keeping, keys, marks
from tests.unit.gateway.world import KEY, Heard, World, answers

PATH = "/v1/embeddings"
TEXTS = st.lists(
    st.sampled_from(["a", "bb", "ccc", "naïve", "你好", '"quoted"']) | st.lists(st.integers(0, 9), min_size=1)
)


def vector(item: Any, model: str) -> list[float]:
    return [float(len(model)), *(float(byte) for byte in msgspec.json.encode(item))]


def embeds(request: UpstreamRequest) -> Scripted:
    """What an upstream says: one token per byte of an input's JSON; the last input comes first."""
    asked = msgspec.json.decode(request.body)
    given = asked["input"]
    items = given if isinstance(given, list) and not all(isinstance(one, int) for one in given) else [given]
    rows = [
        {"object": "embedding", "index": index, "embedding": vector(item, asked["model"])}
        for index, item in enumerate(items)
    ]
    tokens = sum(len(msgspec.json.encode(item)) for item in items)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    body = {"object": "list", "data": rows[::-1], "model": asked["model"], "usage": usage}
    return answers(msgspec.json.encode(body))


def world(script: Any = embeds, **changes: Any) -> World:
    return World(script, endpoints=(keeping(**changes),), keys=keys())


async def embed(site: World, given: Any, *, secret: str = KEY, **more: Any) -> Heard:
    return await site.ask({"model": "chat", "input": given, **more}, path=PATH, secret=secret)


def asked_for(site: World) -> list[Any]:
    return [msgspec.json.decode(request.body)["input"] for request in site.upstream.requests]


def vectors(heard: Heard) -> list[Any]:
    content = msgspec.json.decode(heard.body)
    assert [one["index"] for one in content["data"]] == list(range(len(content["data"])))
    return [one["embedding"] for one in content["data"]]


@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=5))
def test_every_vector_is_in_its_place_and_nothing_is_asked_for_twice(batches: list[list[Any]]) -> None:
    async def run() -> None:
        site = world()
        for batch in batches:
            heard = await embed(site, batch)
            expected = [vector(item, "theirs") for item in batch]
            found = msgspec.json.decode(heard.body)
            assert {one["index"]: one["embedding"] for one in found["data"]} == dict(enumerate(expected))
            assert (found["object"], found["model"]) == ("list", "theirs")
            tokens = sum(len(msgspec.json.encode(item)) for item in batch)
            assert found["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
        each = [msgspec.json.encode(item) for given in asked_for(site) for item in given]
        assert len(each) == len(set(each)) == len({msgspec.json.encode(item) for batch in batches for item in batch})

    asyncio.run(run())


def test_only_what_is_missing_is_asked_for() -> None:
    async def run() -> tuple[World, list[Heard]]:
        site = world()
        return site, [await embed(site, given) for given in (["a", "b"], ["b", "c", "a", "c"], ["c", "b"], "a", ["a"])]

    site, heard = asyncio.run(run())
    assert marks(heard) == ["miss", "partial", "hit", "hit", "hit"]
    assert asked_for(site) == [["a", "b"], ["c"]]
    assert vectors(heard[1]) == [vector(one, "theirs") for one in ("b", "c", "a", "c")]
    rows = [row for row in site.ledger.lines if row.outcome == "ok"]
    assert [(row.cache, row.input_tokens, row.saved_tokens) for row in rows] == [
        ("miss", 6, None),
        ("partial", 3, 6),
        ("hit", 0, 6),
        ("hit", 0, 3),
        ("hit", 0, 3),
    ]


def test_what_a_batch_has_cost_is_shared_out_exactly() -> None:
    priced = Variant(name="main", provider="vendor", model="theirs", price=Price(input=7, output=0, request=1))

    async def run() -> World:
        site = world(variants=(priced,))
        for batch in (["a", "你好", "ccc"], ["ccc", "a"], ["你好"], ["a", "new"]):
            await embed(site, batch)
        return site

    rows = [row for row in asyncio.run(run()).ledger.lines if row.outcome == "ok"]
    assert [row.cache for row in rows] == ["miss", "hit", "hit", "partial"]
    assert read_money(rows[1].saved or "") + read_money(rows[2].saved or "") == read_money(rows[0].cost or "")
    assert [row.cost for row in rows[1:3]] == ["0", "0"]
    assert (rows[3].cost, rows[3].saved is not None) == ("0.000000000036", True)


@pytest.mark.parametrize("more", [{"dimensions": 8}, {"encoding_format": "base64"}, {"user": "u"}, {"anything": 1}])
def test_every_parameter_counts(more: dict[str, Any]) -> None:
    async def run() -> list[Heard]:
        site = world()
        return [await embed(site, ["a"]), await embed(site, ["a"], **more), await embed(site, ["a"], **more)]

    assert marks(asyncio.run(run())) == ["miss", "miss", "hit"]


def test_another_tenant_asks_anew() -> None:
    async def run() -> list[Heard]:
        site = world()
        return [await embed(site, ["a", "b"]), await embed(site, ["b", "a"], secret=OTHER_KEY)]

    assert marks(asyncio.run(run())) == ["miss", "miss"]


def test_a_text_and_the_same_numbers_are_two_inputs() -> None:
    async def run() -> list[Heard]:
        site = world()
        return [await embed(site, given) for given in (["1"], [[1]], [1], [1, 2], [[1, 2]], [[1], [2]])]

    assert marks(asyncio.run(run())) == ["miss", "miss", "hit", "miss", "hit", "partial"]


@pytest.mark.parametrize("given", [[], None, 7, {"a": 1}, [None], ["a", 1]])
def test_what_cannot_be_told_apart_passes_by(given: Any) -> None:
    async def run() -> list[Heard]:
        site = world(lambda _: answers(b'{"object":"list","data":[]}'))
        return [await embed(site, given) for _ in range(2)]

    assert marks(asyncio.run(run())) == ["bypass", "bypass"]


def test_an_answer_that_holds_not_one_vector_for_each_is_not_kept_and_never_mixed_in() -> None:
    short = b'{"object":"list","data":[{"index":0,"embedding":[1.0]}],"model":"m"}'

    async def run() -> list[Heard]:
        found = [await embed(site, ["a", "b"]), await embed(site, ["a"])]
        return [*found, await embed(site, ["a", "b", "c"])]

    site = world([answers(short), answers(short), answers(short)])
    broken, single, mixed = asyncio.run(run())
    assert (broken.status, broken.body) == (200, short)
    assert marks([broken, single]) == ["miss", "miss"]
    assert (mixed.status, mixed.error["code"]) == (502, "provider_error")
    assert site.ledger.lines[-1].saved_tokens is None


def test_a_batch_that_fails_keeps_nothing() -> None:
    async def run() -> list[Heard]:
        site = world([answers(b"{}", status=500), *[embeds_of("a", "b")] * 2])
        return [await embed(site, ["a", "b"]) for _ in range(2)]

    assert marks(asyncio.run(run())) == ["", "miss"]


def embeds_of(*texts: str) -> Scripted:
    rows = [{"object": "embedding", "index": index, "embedding": [1.0]} for index, _ in enumerate(texts)]
    return answers(msgspec.json.encode({"object": "list", "data": rows, "model": "m"}))


def test_vectors_of_two_models_never_stand_in_one_answer() -> None:
    variants = (
        Variant(name="first", provider="vendor", model="first"),
        Variant(name="second", provider="vendor", model="the second one", weight=0.0),
    )
    endpoint: Endpoint = keeping(variants=variants, fallback=("first", "second"))
    failing = False

    def script(request: UpstreamRequest) -> Scripted:
        if failing and msgspec.json.decode(request.body)["model"] == "first":
            return answers(b"{}", status=500)
        return embeds(request)

    async def run() -> tuple[World, list[Heard]]:
        nonlocal failing
        site = World(script, endpoints=(endpoint,), keys=keys())
        before = await embed(site, ["a", "b"])
        failing = True
        during = await embed(site, ["b", "c"])
        failing = False
        return site, [before, during, await embed(site, ["a", "b"]), await embed(site, ["b", "c"])]

    site, heard = asyncio.run(run())
    assert marks(heard) == ["miss", "miss", "hit", "miss"]
    assert asked_for(site) == [["a", "b"], ["b", "c"], ["b", "c"], ["b", "c"]]
    names = [{one[0] for one in (row["embedding"] for row in msgspec.json.decode(each.body)["data"])} for each in heard]
    assert names == [{5.0}, {14.0}, {5.0}, {5.0}]


def test_equal_batches_at_once_share_one_request() -> None:
    async def run() -> tuple[World, list[Heard]]:
        site = world(lambda request: msgspec.structs.replace(embeds(request), before_head=0.02))
        await embed(site, ["a"])
        return site, await asyncio.gather(*(embed(site, ["b", "a"]) for _ in range(4)))

    site, heard = asyncio.run(run())
    assert sorted(marks(heard)) == ["partial", "shared", "shared", "shared"]
    assert len({one.body for one in heard}) == 1
    assert asked_for(site) == [["a"], ["b"]]
