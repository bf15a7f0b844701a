"""Policy: whose call a task's is, by what control says of them; it stands only before calls of the private socket."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable

import msgspec

from modelwright.core.errors.calls import Malformed
from modelwright.core.tasks.talk import CALL, PRINCIPAL
from modelwright.core.tasks.task import Principal
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.policies.authenticate import Authenticate, proceed_as

_decoder = msgspec.json.Decoder(Principal)


class Vouch:
    """In the place of the policy that authenticates: nobody is here who could show a key."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._vouch = authenticate.vouch

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        principal = read_principal(call.headers.get(PRINCIPAL, b""))
        call.client = principal.address
        call.row.call = call.headers.get(CALL, b"").decode("latin-1") or call.row.call
        return proceed_as(self._vouch(principal), call, proceed)


def read_principal(value: bytes) -> Principal:
    """Raises Malformed."""
    try:
        return _decoder.decode(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        hint = "only control sends this"
        raise Malformed("the call of a task does not say whose it is", hint=hint) from None


def write_principal(principal: Principal) -> bytes:
    """What `read_principal` reads."""
    return base64.b64encode(msgspec.json.encode(principal))
