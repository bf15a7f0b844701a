"""The reference of the ledger's row, from the contract and the sentences beside its fields."""

from __future__ import annotations

import ast
import inspect

import msgspec

from docs.reference_pages.markdown import table
from modelwright.core.contracts.ledger import LEDGER_VERSION, OUTCOMES, LedgerRow

_INTRO = f"""# Ledger

<!-- Written by docs/generate.py from src/modelwright/core/contracts/ledger.py: change that and run `make docs`. -->

One row for every call that passed authentication; version {LEDGER_VERSION} of the contract. A gateway worker
writes it twice into `.modelwright/spool/`, before the call is dispatched (the intent) and when it has ended (the
outcome), each with one system call, so that the death of the process loses neither. Control takes the lines into the
database, each exactly once; read them at `GET /ledger` and `GET /ledger/summary` on the admin door. Fields that have
their default are left out of a line. Rows hold no content and no secret.
"""
_OUTCOMES = {
    "intent": "dispatched, not ended yet",
    "ok": "a whole answer",
    "refused": "answered by the gateway or by our own worker without computing anything",
    "guard_blocked": "the endpoint's guard stopped the request, or the answer to it",
    "client_disconnect": "the client left; tokens and chunks seen so far are counted",
    "provider_refused": "the provider says that the request is wrong; its answer passed untouched",
    "provider_error": "the provider answered 5xx, or something that cannot be read",
    "provider_auth": "the provider refuses our key",
    "provider_rate_limited": "the provider's own limit",
    "provider_unreachable": "no connection, or broken before any answer",
    "provider_overloaded": "the provider has too much to do (529)",
    "provider_timeout": "no answer in time",
    "upstream_stalled": "a stream stopped sending",
    "upstream_truncated": "an answer ended before its end",
    "model_unavailable": "our own worker loads or was lost",
    "engine_failed": "our own engine failed on this input",
    "failed": "any other error of ours",
    "unresolved": "the gateway worker died before the outcome; charged at its reservation",
}


def page() -> str:
    """The whole page; raises KeyError for an outcome that it cannot explain."""
    said = _sentences()
    fields = [
        (f"`{field.encode_name}`", _type(field), said.get(field.name, ""))
        for field in msgspec.structs.fields(LedgerRow)
    ]
    outcomes = [(f"`{name}`", _OUTCOMES[name]) for name in OUTCOMES]
    tables = [table(("field", "type", "meaning"), fields), table(("outcome", "meaning"), outcomes)]
    return f"{_INTRO}\n## Fields\n\n{tables[0]}\n## Outcomes\n\n{tables[1]}"


def _type(field: msgspec.structs.FieldInfo) -> str:
    text = field.type.__name__ if isinstance(field.type, type) else str(field.type)
    return "dict[str, str]" if "dict" in text else text.replace(" | None", " or None")


def _sentences() -> dict[str, str]:
    """The string below each field of the row."""
    (row,) = ast.parse(inspect.getsource(LedgerRow)).body
    body = row.body if isinstance(row, ast.ClassDef) else []
    found: dict[str, str] = {}
    for field, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(field.target)] = " ".join(str(below.value.value).split())
    return found
