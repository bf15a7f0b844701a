"""Questions of the V2 wire at the gateway: configuration passes, statistics are summed over replicas and in scope."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.snapshot import Endpoint, Key, ProviderEntry, Variant
from modelwright.core.errors.providers import ProviderUnreachable
from modelwright.core.keys import key_digest
from modelwright.core.ports.http import UpstreamRequest
from modelwright.core.wire.extensions.statistics import ModelStatistics, Statistics
from tests.unit.gateway.world import KEY, KEY_ID, PEPPER, World, answers, snapshot

LOST = Scripted(error=ProviderUnreachable("gone"))


def told(model: str, rows: int) -> Scripted:
    return answers(msgspec.json.encode(Statistics(model_stats=[_one(model, rows)])))


def _one(model: str, rows: int) -> ModelStatistics:
    return ModelStatistics(name=model, version="1", inference_count=rows)


def two_models() -> dict[str, Any]:
    known = snapshot()
    other = Endpoint(
        name="faces",
        operations=("infer",),
        variants=(Variant(name="only", provider="serving:faces", model="faces"),),
    )
    provider = ProviderEntry(name="serving:faces", kind="serving", base_urls=("unix:/run/9.sock",))
    return {"endpoints": (*known.endpoints, other), "providers": (*known.providers, provider)}


def of_worker(request: UpstreamRequest) -> Scripted:
    numbers = {"/run/0.sock": 3, "/run/1.sock": 4, "/run/9.sock": 5}
    return told(request.target.split("/")[3], numbers[request.origin.host])


async def counted(world: World, path: str) -> dict[str, int]:
    heard = await world.ask(b"", path=path, method="GET")
    assert heard.status == 200, heard.body
    return {one["name"]: one["inference_count"] for one in msgspec.json.decode(heard.body)["model_stats"]}


async def test_statistics_are_summed_over_replicas() -> None:
    world = World(of_worker)
    assert await counted(world, "/v2/models/digits/stats") == {"digits": 7}
    assert {request.target for request in world.upstream.requests} == {"/v2/models/digits/stats"}
    assert await counted(world, "/v2/models/digits/versions/1/stats") == {"digits": 7}


async def test_statistics_of_all_models_leave_out_what_cannot_be_asked_and_what_the_key_may_not_call() -> None:
    world = World(of_worker, **two_models())
    assert await counted(world, "/v2/models/stats") == {"digits": 7, "faces": 5}
    world = World(lambda request: LOST if request.origin.host == "/run/9.sock" else of_worker(request), **two_models())
    assert await counted(world, "/v2/models/stats") == {"digits": 7}
    scoped = Key(id=KEY_ID, digest=key_digest(PEPPER, KEY), tenant="t", endpoints=("faces",))
    world = World(of_worker, **two_models(), keys=(scoped,))
    assert await counted(world, "/v2/models/stats") == {"faces": 5}
    refused = await world.ask(b"", path="/v2/models/digits/stats", method="GET")
    assert refused.status == 403


async def test_one_replica_is_enough_and_without_any_the_model_is_lost() -> None:
    world = World([LOST, told("digits", 4)])
    assert await counted(world, "/v2/models/digits/stats") == {"digits": 4}
    assert (await World([LOST, LOST]).ask(b"", path="/v2/models/digits/stats", method="GET")).status == 503
    refusal = answers(b'{"error":"no version 9"}', status=404)
    world = World([refusal, refusal])
    heard = await world.ask(b"", path="/v2/models/digits/versions/9/stats", method="GET")
    assert (heard.status, heard.body) == (404, b'{"error":"no version 9"}')


@pytest.mark.parametrize("path", ["/v2/models/stats", "/v2/models/digits/config"])
async def test_strangers_are_told_nothing(path: str) -> None:
    heard = await World(of_worker).ask(b"", path=path, method="GET", secret="")
    assert heard.status == 401


async def test_configuration_passes() -> None:
    world = World([answers(b'{"name":"digits"}')])
    heard = await world.ask(b"", path="/v2/models/digits/config", method="GET")
    assert (heard.status, heard.body) == (200, b'{"name":"digits"}')
    assert world.upstream.requests[0].target == "/v2/models/digits/config"


async def test_how_a_body_is_compressed_is_passed_on() -> None:
    world = World([answers(b"{}")])
    headers = {"content-encoding": "gzip", "inference-header-content-length": "0"}
    assert (await world.ask(b"packed", path="/v2/models/digits/infer", headers=headers)).status == 200
    (request,) = world.upstream.requests
    assert dict(request.headers)[b"content-encoding"] == b"gzip"
    assert dict(request.headers)[b"inference-header-content-length"] == b"0"
    assert request.body == b"packed"
