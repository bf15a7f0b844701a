"""V2's repository extension: an admin's key sees what is loaded, loads and unloads; control has it done."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.errors.calls import CallError, Malformed, ModelUnavailable, UnknownEndpoint, Unprocessable
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest
from modelwright.gateway.call import Reply
from modelwright.gateway.http.body import Body
from modelwright.gateway.http.paths import Match
from modelwright.gateway.live import Gateway

MOST_BODY = 1 << 16
_MOST = 16 << 20
_WITHIN = Deadlines(connect=0.5, first_byte=600.0, idle=5.0)
"""A large model takes its time to load."""
_PATIENCE = 10.0
"""Seconds that a client may take to send its wish."""
_JSON = (b"content-type", b"application/json")


class _Parameters(msgspec.Struct, forbid_unknown_fields=True):
    version: str = ""
    """Ours: which of several versions."""
    unload_dependents: bool = False
    """Triton's: nothing depends on a model here."""


class _Wish(msgspec.Struct):
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)
    ready: bool = False
    """Of the index: only those that are ready."""


class _Problem(msgspec.Struct):
    code: str
    message: str
    hint: str = ""


class _Refusal(msgspec.Struct):
    error: _Problem


class RepositoryView:
    """One per worker."""

    def __init__(self, gateway: Gateway, transport: Transport, socket: str) -> None:
        """`socket` is the path of control's."""
        self._gateway = gateway
        self._transport = transport
        self._origin = Origin(scheme="unix", host=socket)

    async def answer(self, found: Match, headers: dict[bytes, bytes], body: Body) -> Reply:
        """Raises CallError."""
        self._gateway.in_force().authenticate.check_admin(headers)
        wish = _read(await body.read_soon(MOST_BODY, within=_PATIENCE))
        if found.view == "index":
            models = msgspec.json.decode(await self._ask("GET", "/repository"), type=list[dict[str, str]])
            kept = [model for model in models if not wish.ready or model["state"] == "READY"]
            return Reply(200, headers=[_JSON], body=msgspec.json.encode(kept))
        version = wish.parameters.version
        name = f"{found.model}@{version}" if version else found.model
        await self._ask("POST", f"/repository/{name}/{found.view}")
        return Reply(200, headers=[_JSON], body=b"{}")

    async def _ask(self, method: str, target: str) -> bytes:
        request = UpstreamRequest(origin=self._origin, method=method, target=target)
        try:
            answer = await self._transport.send(request, _WITHIN)
            content = await answer.read(_MOST)
            refused = None if answer.status == 200 else msgspec.json.decode(content, type=_Refusal).error
        except (CallError, msgspec.MsgspecError):
            raise ModelUnavailable(
                "control does not answer now", hint="send again; calls go on meanwhile", retry_after=2.0
            ) from None
        if refused is None:
            return content
        kind = UnknownEndpoint if refused.code == UnknownEndpoint.code else ModelUnavailable
        raise kind(refused.message, hint=refused.hint)


def _read(content: bytes) -> _Wish:
    try:
        wish: Any = msgspec.json.decode(content, type=_Wish) if content.strip() else _Wish()
    except msgspec.ValidationError as error:
        hint = "leave out what changes a model: its settings stand in the manifest"
        raise Unprocessable(f"the wish cannot be fulfilled: {error}", hint=hint) from None
    except msgspec.DecodeError as error:
        raise Malformed(f"the body is no JSON: {error}", hint="send {} or nothing") from None
    version = wish.parameters.version
    if version and not version.replace(".", "").replace("_", "").replace("-", "").isalnum():
        raise Unprocessable(f"{version[:40]!r} is no version", hint="see GET /v2/models/{name}", param="version")
    return wish
