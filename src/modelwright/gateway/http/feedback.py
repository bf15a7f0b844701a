"""`POST /v1/feedback`: what somebody thought of an answer, written to the spool; whose call it was is asked later."""

from __future__ import annotations

import re

import msgspec

from modelwright.core.contracts.feedback import Feedback
from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.ports.clock import Clock
from modelwright.gateway.call import Reply
from modelwright.gateway.http.body import Body
from modelwright.gateway.live import Gateway

MAX_BODY = 64 << 10
MAX_COMMENT = 4000
"""Characters."""
_CALL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ASKED = 'send {"call": "<the answer\'s x-modelwright-call>", "score": 0 to 1, "comment": "…"}'


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    call: str
    score: float | bool
    comment: str = ""
    name: str = "user"


_decoder = msgspec.json.Decoder(_Said)


class FeedbackView:
    """One per worker."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway = gateway
        self._now = clock.now

    async def answer(self, headers: dict[bytes, bytes], body: Body) -> Reply:
        """202, whether the tenant has such a call or not: nobody learns of other tenants' calls. Raises CallError."""
        key = await self._gateway.in_force().authenticate.identify_patiently(headers)
        said = _read(await body.read_soon(MAX_BODY))
        feedback = Feedback(
            call=said.call,
            tenant=key.tenant,
            key=key.id,
            name=said.name,
            score=float(said.score),
            comment=said.comment.replace("\0", "\ufffd"),  # not every database takes it
            at=self._now(),
        )
        self._gateway.parts.ledger.feedback(feedback)
        content = msgspec.json.encode({"call": said.call, "name": said.name, "status": "accepted"})
        return Reply(202, headers=[(b"content-type", b"application/json")], body=content)


def _read(body: bytes) -> _Said:
    try:
        said = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"feedback: {error}", hint=_ASKED) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body is no JSON object: {error}", hint=_ASKED) from None
    if not _CALL.fullmatch(said.call):
        raise Unprocessable("`call` is no call id", hint="name the x-modelwright-call of the answer", param="call")
    if not 0 <= said.score <= 1:
        raise Unprocessable("`score` is not between 0 and 1", hint="send 0 for useless, 1 for right", param="score")
    if not _NAME.fullmatch(said.name):
        raise Unprocessable("`name` is no name", hint="use lower-case letters, digits and hyphens", param="name")
    if len(said.comment) > MAX_COMMENT:
        raise Unprocessable(f"`comment` is longer than {MAX_COMMENT} characters", hint="shorten it", param="comment")
    return said
