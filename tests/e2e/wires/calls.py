"""What the tests of all wires ask, and what they look at afterwards."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from tests.e2e.clients import ask, patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import ROOT, Site

GUIDE = (ROOT / "docs" / "guide" / "wires.md").read_text("utf-8")
LANES = {"openai": "chat", "claude": "messages", "full": "responses"}
"""Endpoints, and the wire that is theirs beside chat: vllm's chat, Anthropic's messages, OpenAI's responses."""
WORDS = "Same question, same answer: naïve"
PROMPT = """\
---
variables: {product: {type: string}}
---
You know {{ product }}.
[user]
What do you know?
[assistant]
{{ product }}.
"""
"""What goes before the calls to the endpoints whose name begins with `prompted`."""
PIXEL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"said": {"type": "string"}}, "additionalProperties": False}
FUNCTION = {"name": "note", "description": "Notes words.", "parameters": SCHEMA}


def block(language: str) -> str:
    """The first one of the guide."""
    found = re.search(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def row(site: Site, call: str) -> LedgerRow:
    """The outcome of a call."""
    found: list[LedgerRow] = []

    def there() -> bool:
        body = ask(site.runtime / "control.sock", f"/ledger?call={call}").body
        found[:] = msgspec.json.decode(body, type=list[LedgerRow])
        return bool(found) and found[0].outcome != "intent"

    patient(there, waiting_for="the ledger")
    return found[0]


def counted(site: Site, call: str) -> tuple[Any, ...]:
    """What a call's row says of its kind and its tokens."""
    one = row(site, call)
    return one.operation, one.outcome, one.input_tokens, one.cached_tokens, one.output_tokens


def sent(provider: DevProvider) -> dict[str, Any]:
    """The body of the only request that has arrived."""
    (request,) = provider.requests
    return request["body"]


def told(call: Any) -> Any:
    """A tool's arguments as an object."""
    return json.loads(call.function.arguments)


def tool_call(number: str, arguments: str) -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": "note", "arguments": arguments}}
