"""What must be true of models that an engine's own server runs, and what is only for them."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.plugins import engine_row

_THEIRS = ("command", "arguments", "load_timeout")
_OURS = {"cache": "`engine.arguments`", "options": "`engine.arguments`"}


def _servers(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, model in case.manifest.models.items():
        engine, stated = case.engine(name), model.engine.model_fields_set
        if not engine:
            continue
        server = engine_row(engine).server
        for known in _THEIRS if not server else _OURS:
            if known in stated:
                whose = "has a server of its own" if server else "runs in our own process"
                problem = f"`{known}` means nothing here, since {engine} {whose}"
                remedy = f"write it in {_OURS[known]}" if server else "remove it"
                yield Finding(("models", name, "engine", known), problem, remedy, on_key=True)


RULES: Rules = (_servers,)
