"""Whose call a task's is: believed at the private door alone, and only while they may call."""

from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.snapshot import Issuer, Key, Limit, Limits
from modelwright.core.contracts.tasks import TaskRules
from modelwright.core.identity import Caller
from modelwright.core.keys import key_digest
from modelwright.core.tasks.talk import CALL, PRINCIPAL
from modelwright.core.tasks.task import Principal
from modelwright.gateway.http.door import Door
from modelwright.gateway.policies.vouch import write_principal
from tests.unit.gateway.world import KEY, KEY_ID, PEPPER, Heard, World, answers

ISSUER = Issuer(name="company", issuer="https://login.example.com", audience="a")
OF_KEY = Principal(caller=Caller(id=KEY_ID, tenant="t"), digest=key_digest(PEPPER, KEY), address="192.0.2.9")
OF_TOKEN = Principal(caller=Caller(id="company/abcdefgh", tenant="t", user="ada", expires=1_700_000_100.0))
NOBODY = Principal(caller=Caller(id=""))


def world(**changes: Any) -> World:
    return World([answers()] * 3, **{"tasks": TaskRules(), **changes})


async def run(site: World, principal: Principal | None) -> Heard:
    """At the private door."""
    public = site.door
    site.door = Door(
        site.gateway, clock=site.clock, ids=lambda: "made", emit=site.events.append, version="9", is_private=True
    )
    headers = {CALL.decode(): "given"}
    if principal is not None:
        headers[PRINCIPAL.decode()] = write_principal(principal).decode()
    try:
        return await site.ask(headers=headers, secret="")
    finally:
        site.door = public


async def test_a_key_that_is_still_known_calls_under_the_id_that_control_gives() -> None:
    site = world()
    assert (await run(site, OF_KEY)).status == 200
    row = site.ledger.lines[-1]
    assert (row.call, row.key, row.tenant, row.outcome) == ("given", KEY_ID, "t", "ok")


async def test_what_the_snapshot_says_of_a_key_goes_before_what_was_kept() -> None:
    forged = msgspec.structs.replace(OF_KEY, caller=Caller(id="other", tenant="rival", roles=("admin",)))
    site = world()
    assert (await run(site, forged)).status == 200
    assert site.ledger.lines[-1].tenant == "t"


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": ()},
        {"keys": (Key(id=KEY_ID, digest=OF_KEY.digest, tenant="t", expires=1_600_000_000.0),)},
    ],
    ids=["revoked", "expired"],
)
async def test_a_key_that_is_gone_or_has_expired_calls_no_more(changes: dict[str, Any]) -> None:
    refused = await run(world(**changes), OF_KEY)
    assert (refused.status, refused.error["code"]) == (401, "unauthenticated")


async def test_a_key_that_may_call_something_else_now_is_refused() -> None:
    key = Key(id=KEY_ID, digest=OF_KEY.digest, tenant="t", endpoints=("digits",))
    assert (await run(world(keys=(key,)), OF_KEY)).status == 403


async def test_a_tokens_caller_calls_until_it_expires_and_its_issuer_is_trusted() -> None:
    site = world(issuers=(ISSUER,))
    assert (await run(site, OF_TOKEN)).status == 200
    assert (site.ledger.lines[-1].user, site.ledger.lines[-1].key) == ("ada", "company/abcdefgh")
    assert (await run(world(), OF_TOKEN)).status == 401
    site.clock.advance(200)
    assert (await run(site, OF_TOKEN)).status == 401


async def test_nobody_in_particular_calls_where_nobody_needs_a_key() -> None:
    assert (await run(world(auth="none"), NOBODY)).status == 200
    assert (await run(world(auth="optional"), NOBODY)).status == 200
    assert (await run(world(), NOBODY)).status == 401


async def test_limits_hold_for_whoever_has_left_it_and_where_they_came_from() -> None:
    for by in ("key", "tenant", "address", "endpoint"):
        site = world(limits=Limits(each=(Limit(by=by, of="requests", amount=1, per="hour"),)))
        assert (await run(site, OF_KEY)).status == 200
        refused = await run(site, OF_KEY)
        assert (refused.status, refused.error["code"]) == (429, "rate_limited"), by
        elsewhere = await run(site, msgspec.structs.replace(OF_KEY, address="192.0.2.10"))
        assert elsewhere.status == (200 if by == "address" else 429)


async def test_who_does_not_say_who_calls_does_not() -> None:
    assert (await run(world(), None)).status == 400
    assert (await run(world(tasks=None), OF_KEY)).status == 503


async def test_the_public_door_reads_none_of_it() -> None:
    site = world()
    told = {PRINCIPAL.decode(): write_principal(OF_KEY).decode(), CALL.decode(): "given"}
    assert (await site.ask(headers=told, secret="")).status == 401
    heard = await site.ask(headers=told)
    assert (heard.status, heard.headers["x-modelwright-call"]) == (200, "call-2")
    assert site.ledger.lines[-1].call == "call-2"
