"""A lane's prompt, filled in for one call: once, whoever asks for it; and the body that it makes of the client's."""

from __future__ import annotations

from modelwright.core.errors.calls import CallError
from modelwright.core.prompting.opening import Opening, opened
from modelwright.core.prompting.variables import FIELD
from modelwright.core.wire.openai import raw_field, with_fields
from modelwright.gateway.call import Call
from modelwright.gateway.lanes import Lane
from modelwright.gateway.prompting.preamble import Preamble, without_variables


def lane_body(call: Call, lane: Lane) -> bytes:
    """The body as this lane's variant wants it; `call.body` stays the client's, since another lane may come after.

    Raises Malformed, and PromptFailed when the template does not bear the call's values.
    """
    body, preamble = call.body, lane.preamble
    if lane.parameters and call.head is not None:
        body = with_fields(body, lane.parameters_of(call.operation))
    # Read from the body as it is now: a guard may have changed what it found in a variable.
    given = raw_field(body, FIELD) if call.head is not None and call.head.prompt_variables else b""
    if preamble is None:
        return without_variables(body, given) if given else body
    first = _opening(call, preamble, given)
    if first is not None:
        return opened(call.operation, body, first, without=FIELD)
    return with_fields(body, {}, without=(FIELD,)) if given else body


def prompt_size(call: Call, lane: Lane) -> int:
    """Bytes that the model is told by a call to this lane: the client's body with the lane's prompt filled in.

    A prompt that cannot be filled in counts nothing: nobody will be asked.
    """
    size, preamble = len(call.body), lane.preamble
    if preamble is None or call.head is None:
        return size
    given = bytes(call.head.prompt_variables)
    try:
        first = _opening(call, preamble, given)
    except CallError:
        return size
    return size - len(given) + (0 if first is None else len(first.messages))


def system_text(call: Call) -> str:
    """What the prompt of the lane that has answered tells the model as its system; empty when there is none."""
    preamble = call.lane.preamble if call.lane is not None else None
    if preamble is None or call.head is None:
        return ""
    given = raw_field(call.body, FIELD) if call.head.prompt_variables else b""
    try:
        first = _opening(call, preamble, given)
    except CallError:
        return ""
    return "" if first is None else first.system


def _opening(call: Call, preamble: Preamble, given: bytes) -> Opening | None:
    if preamble.is_fixed:
        return preamble.opening(given)
    known = call.openings.get(preamble.label) if call.openings is not None else None
    if known is not None and known[0] == given:
        return known[1]
    made = preamble.opening(given)
    call.openings = {**(call.openings or {}), preamble.label: (given, made)}
    return made
