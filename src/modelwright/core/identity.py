"""Who calls: what an API key or an issuer's token says of its bearer; pure, it verifies no signature."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from modelwright.core.contracts.snapshot import Issuer, Key
from modelwright.core.errors.calls import Forbidden, Unauthenticated

ALL = "*"
"""Among the endpoints of a scope: every one."""

_TENANT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_USER = 128
"""Characters of a user's name that are kept; who has more of them is told apart by the caller's id."""
_ANEW = "ask the issuer for a new token"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whose call it is and what it may do."""

    id: str
    """Public id of the key; for a token the issuer's name and a digest of the user, `company/abcdefgh`."""
    tenant: str = "default"
    user: str = ""
    """Who the token says it is; a key names nobody."""
    endpoints: tuple[str, ...] = ()
    """Those that may be called; empty: all."""
    roles: tuple[str, ...] = ("client",)
    """client calls endpoints, admin opens the admin door."""
    expires: float | None = None
    """Unix seconds."""


ANONYMOUS = Caller(id="")


def caller_of_key(key: Key) -> Caller:
    """Whoever bears this key."""
    return Caller(id=key.id, tenant=key.tenant, endpoints=key.endpoints, roles=(key.role,), expires=key.expires)


def caller_of_claims(claims: Mapping[str, Any], issuer: Issuer, *, now: float) -> Caller:
    """Whoever bears a token with these claims, whose signature was verified; `now` is Unix seconds.

    Raises Unauthenticated for a token that does not hold now or here (RFC 7519, 4.1), Forbidden for one without the
    claims or scopes that the manifest asks for.
    """
    expires = _check(claims, issuer, now=now)
    user = _text(claims, issuer.user_claim, issuer)
    tenant = _text(claims, issuer.tenant_claim, issuer) if issuer.tenant_claim else issuer.tenant
    if not _TENANT.fullmatch(tenant):
        raise Forbidden(
            f"the token's claim {issuer.tenant_claim} cannot be the name of a tenant",
            hint="let the issuer give lower-case letters, digits and hyphens, at most 63",
        )
    scopes = _scopes(claims, issuer.scope_claim)
    allowed = [name for scope in scopes for name in issuer.scopes.get(scope, ())]
    is_admin = bool(issuer.admin) and issuer.admin in scopes
    roles = (*(("client",) if allowed or not issuer.scopes else ()), *(("admin",) if is_admin else ()))
    if not roles:
        known = ", ".join(sorted(issuer.scopes))
        raise Forbidden("the token bears no scope that may call anything", hint=f"ask the issuer for one of {known}")
    return Caller(
        id=f"{issuer.name}/{_short(user)}",
        tenant=tenant,
        user=user[:_USER],
        endpoints=() if ALL in allowed else tuple(sorted(set(allowed))),
        roles=roles,
        expires=expires + issuer.leeway,
    )


def _check(claims: Mapping[str, Any], issuer: Issuer, *, now: float) -> float:
    """Issuer, audience and times; the time at which the token ends."""
    audience = claims.get("aud")
    if claims.get("iss") != issuer.issuer:
        raise Unauthenticated("the token is from another issuer", hint=_ANEW)
    if issuer.audience not in (audience, *_listed(audience)):
        raise Unauthenticated("the token is for another audience", hint=f"ask for one with aud {issuer.audience}")
    expires = _time(claims, "exp")
    if expires is None:
        raise Unauthenticated("the token does not say when it expires (exp)", hint=_ANEW)
    if expires + issuer.leeway <= now:
        raise Unauthenticated("the token has expired", hint=_ANEW)
    for name in ("nbf", "iat"):
        begins = _time(claims, name)
        if begins is not None and begins - issuer.leeway > now:
            raise Unauthenticated(f"the token is not valid yet ({name})", hint="are the clocks right?")
    return expires


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unauthenticated(f"the token's {name} is no time", hint=_ANEW)
    return float(value)


def _text(claims: Mapping[str, Any], name: str, issuer: Issuer) -> str:
    value = _claim(claims, name)
    if not isinstance(value, str) or not value or not value.isprintable():
        problem = f"the token has no claim {name}, or not as a text"
        raise Forbidden(problem, hint=f"let the issuer give it, or name another in access.oidc.{issuer.name}.claims")
    return value


def _scopes(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """Of a text with blanks (RFC 8693, 4.2) or a list of texts."""
    value = _claim(claims, name)
    words: Sequence[object] = value.split() if isinstance(value, str) else _listed(value)
    return frozenset(word for word in words if isinstance(word, str) and word)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by its way into objects: `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = cast("dict[str, Any]", found).get(step) if isinstance(found, Mapping) else None
    return found


def _listed(value: object) -> Sequence[object]:
    return cast("list[object]", value) if isinstance(value, list) else ()


def _short(user: str) -> str:
    """Eight characters that stand for a user, however long the name is."""
    return base64.b32encode(hashlib.blake2b(user.encode(errors="replace"), digest_size=5).digest()).decode().lower()
