"""The reference of the ledger's row, from the contract and the sentences beside its fields."""

from __future__ import annotations

import ast
import inspect
import re

import msgspec

from docs.reference_pages.markdown import table
from modelwright.core.contracts import ledger
from modelwright.core.contracts.ledger import LEDGER_VERSION, OUTCOMES, LedgerRow

_INTRO = f"""# Ledger

<!-- Written by docs/generate.py from src/modelwright/core/contracts/ledger.py: change that and run `make docs`. -->

Every call that passed authentication has one row, version {LEDGER_VERSION}. It is written as an *intent* before the call is
dispatched and as its *outcome* after it; both carry the same `call`. Gateway workers append rows to `.modelwright/spool/`, and
control takes them into the database. A row whose writer died before the outcome is `unresolved`.
"""


def page() -> str:
    """The whole page."""
    said = _sentences()
    fields = [
        (f"`{field.encode_name}`", _type(field), said.get(field.name, ""))
        for field in msgspec.structs.fields(LedgerRow)
    ]
    outcomes = _outcomes()
    return "\n".join(
        [
            _INTRO,
            "## Fields\n\nTimes are Unix seconds, durations milliseconds; a count is missing when it is not known.\n",
            table(("field", "type", "meaning"), fields),
            "## Outcomes\n",
            table(("outcome", "meaning"), [(f"`{name}`", outcomes.get(name, "")) for name in OUTCOMES]),
        ]
    )


def _type(field: msgspec.structs.FieldInfo) -> str:
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
    text = getattr(field.type, "__name__", "") if isinstance(field.type, type) else str(field.type)
    for name, word in names.items():
        text = re.sub(rf"\b{name}\b", word, text)
    return "map of texts" if "dict" in text else text.replace(" | None", "")


def _sentences() -> dict[str, str]:
    """The string below each field of the row."""
    body = ast.parse(inspect.getsource(LedgerRow)).body[0].body  # type: ignore[attr-defined]
    found: dict[str, str] = {}
    for field, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(field.target)] = " ".join(str(below.value.value).split()).replace(" | ", ", ")
    return found


def _outcomes() -> dict[str, str]:
    """The comment beside each outcome; an error's name says the rest."""
    rows = re.findall(r'^    "(\w+)",(?:  # (.+))?$', inspect.getsource(ledger), flags=re.MULTILINE)
    texts = {name: f"{text[:1].upper()}{text[1:]}." if text else "" for name, text in rows}
    return {name: text or "See [Errors](errors.md)." if name != "ok" else "Answered." for name, text in texts.items()}
