"""What tokens say of their bearers; tokens of a real issuer are in tests/e2e/test_oidc.py."""

from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.snapshot import Issuer, Key
from modelwright.core.errors.calls import Forbidden, Unauthenticated
from modelwright.core.identity import Caller, caller_of_claims, caller_of_key

NOW = 1_700_000_000.0
ISSUER = Issuer(name="company", issuer="https://i", audience="a", leeway=10.0)
CLAIMS: dict[str, Any] = {"iss": "https://i", "aud": "a", "sub": "ada", "exp": NOW + 60}


def caller(claims: dict[str, Any] | None = None, **changes: Any) -> Caller:
    return caller_of_claims({**CLAIMS, **(claims or {})}, msgspec.structs.replace(ISSUER, **changes), now=NOW)


def test_a_key_is_its_own_caller() -> None:
    key = Key(id="k", digest="d", tenant="t", role="admin", expires=5.0, endpoints=("e",))
    assert caller_of_key(key) == Caller(id="k", tenant="t", roles=("admin",), expires=5.0, endpoints=("e",))


def test_users_are_told_apart_and_are_the_same_each_time() -> None:
    one, other = caller(), caller({"sub": "bob"})
    assert one == caller()
    assert one.id != other.id
    assert one.id.startswith("company/")
    assert (one.tenant, one.user, one.endpoints, one.roles) == ("default", "ada", (), ("client",))
    assert len(caller({"sub": "x" * 4000}).id) == len(one.id)
    assert caller({"sub": "x" * 4000}).id != caller({"sub": "x" * 4001}).id


@pytest.mark.parametrize("audience", ["a", ["b", "a"]])
def test_the_audience_may_be_one_of_several(audience: Any) -> None:
    assert caller({"aud": audience}).expires == NOW + 70


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "ab"}, {"aud": []}, {"aud": None}, {"aud": {"a": 1}}, {"iss": "https://i/"},
        {"exp": None}, {"exp": NOW - 10}, {"exp": True}, {"exp": "9999999999"}, {"exp": float("inf")},
        {"nbf": NOW + 11}, {"iat": NOW + 11}, {"nbf": []},
    ],
)  # fmt: skip
def test_what_does_not_hold_here_and_now_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        caller(claims)


def test_clocks_may_differ_by_the_leeway() -> None:
    assert caller({"exp": NOW - 9, "nbf": NOW + 9, "iat": NOW + 9}).expires == NOW + 1


@pytest.mark.parametrize(
    ("claims", "name", "tenant"),
    [
        ({"org": "shop"}, "org", "shop"),
        ({"org": {"id": "shop"}}, "org.id", "shop"),
        ({"https://example.com/org": "shop"}, "https://example.com/org", "shop"),
    ],
)
def test_the_tenant_may_stand_in_a_claim(claims: dict[str, Any], name: str, tenant: str) -> None:
    assert caller(claims, tenant_claim=name).tenant == tenant


@pytest.mark.parametrize("org", [None, 7, "", "Shop", "a b", "a\nb", ["shop"]])
def test_a_token_without_the_tenant_that_is_asked_for_belongs_to_nobody(org: Any) -> None:
    with pytest.raises(Forbidden):
        caller({"org": org}, tenant_claim="org")


def test_scopes_open_endpoints_and_the_admin_door() -> None:
    rules = {"scopes": {"chat": ("a", "b"), "more": ("b", "c"), "all": ("*",)}, "admin": "root"}
    assert caller({"scope": "x chat"}, **rules).endpoints == ("a", "b")
    assert caller({"scope": ["chat", "more"]}, **rules).endpoints == ("a", "b", "c")
    assert caller({"scope": "chat all"}, **rules).endpoints == ()
    assert caller({"scope": "chat root"}, **rules).roles == ("client", "admin")
    assert caller({"scope": "root"}, **rules).roles == ("admin",)
    assert caller({"scope": ["root"]}, admin="root").roles == ("client", "admin")
    for scope in ("", "x", None, 7, {"chat": 1}):
        with pytest.raises(Forbidden, match="no scope"):
            caller({"scope": scope}, **rules)


@pytest.mark.parametrize("scope", ["", [""], ["", "chat"], " "])
def test_an_empty_scope_opens_no_admin_door(scope: Any) -> None:
    assert caller({"scope": scope}).roles == ("client",)
    assert caller({"scope": ["", "root"]}, admin="root").roles == ("client", "admin")


def test_an_empty_scope_opens_no_endpoint() -> None:
    with pytest.raises(Forbidden, match="no scope"):
        caller({"scope": [""]}, scopes={"": ("*",)})
