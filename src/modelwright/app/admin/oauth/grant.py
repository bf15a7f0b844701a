"""`POST /oauth/token`: the client credentials grant of RFC 6749 (4.4), its answers (5.1) and its errors (5.2)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from modelwright.app.admin.oauth.tokens import AdminTokens
from modelwright.core.errors.calls import Forbidden, Unauthenticated

FORM = "application/x-www-form-urlencoded"
SCOPE = "admin"
_HEADERS = {"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}


class Granted(msgspec.Struct, frozen=True):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Refused(Exception):
    """With a code of RFC 6749, 5.2."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


def answer(tokens: AdminTokens, headers: Mapping[str, str], body: bytes) -> Granted:
    """Grant a token, or say why not; `headers` have lower-case names."""
    try:
        token, seconds = _grant(tokens, headers, body)
    except _Refused as refused:
        told = {"error": refused.error, "error_description": refused.description}
        basic = {"www-authenticate": 'Basic realm="modelwright"'} if refused.status == 401 else {}
        return Granted(refused.status, {**_HEADERS, **basic}, msgspec.json.encode(told))
    granted = {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": SCOPE}
    return Granted(200, _HEADERS, msgspec.json.encode(granted))


def _grant(tokens: AdminTokens, headers: Mapping[str, str], body: bytes) -> tuple[str, int]:
    form = _form(headers, body)
    client_id, secret = _client(headers, form)
    kind = form.get("grant_type", "")
    if not kind:
        raise _Refused("invalid_request", "grant_type is missing; send grant_type=client_credentials")
    if kind != "client_credentials":
        raise _Refused("unsupported_grant_type", "only client_credentials is granted here")
    if form.get("scope", SCOPE) != SCOPE:
        raise _Refused("invalid_scope", f"the only scope is {SCOPE}; leave it out")
    try:
        return tokens.grant(tokens.client(client_id, secret))
    except Unauthenticated as error:
        raise _Refused("invalid_client", f"{error.message}: {error.hint}", status=401) from None
    except Forbidden as error:
        raise _Refused("unauthorized_client", f"{error.message}: {error.hint}") from None


def _form(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise _Refused("invalid_request", f"send the parameters as {FORM}")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise _Refused("invalid_request", "the form cannot be read") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Refused("invalid_request", "a parameter is given twice")
    return {name: value for name, value in pairs if value}


def _client(headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str]:
    """Id and secret, by HTTP Basic or in the form, never both (RFC 6749, 2.3.1)."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme:
        if "client_secret" in form:
            raise _Refused("invalid_request", "the client is named twice; use Basic or the form")
        if scheme.lower() != "basic":
            raise _Refused("invalid_client", "use HTTP Basic, or client_id and client_secret in the form", status=401)
        client_id, secret = _basic(credentials)
    else:
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    if not client_id or not secret:
        raise _Refused("invalid_client", "name a client: send the id and the secret of an admin's key", status=401)
    return client_id, secret


def _basic(credentials: str) -> tuple[str, str]:
    try:
        name, _, secret = base64.b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise _Refused("invalid_client", "the Basic credentials cannot be read", status=401) from None
    return unquote_plus(name), unquote_plus(secret)
