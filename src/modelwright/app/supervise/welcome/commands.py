"""Commands to paste once a site runs, derived from its manifest; it runs none."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelwright.app.snapshot import provider_of
from modelwright.core.contracts.snapshot import Snapshot


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the user stands, so that commands work as printed."""

    folder: Path
    """The current folder."""
    program: str
    """How this program is called from there: `.venv/bin/modelwright`, or a name on the path."""
    manifest: str
    """`-f` as the user gave it; empty when it was not needed."""

    def command(self, verb: str) -> str:
        """This program's own command line."""
        file = f" -f {shlex.quote(self.manifest)}" if self.manifest else ""
        return f"{shlex.quote(self.program) if ' -m ' not in self.program else self.program} {verb}{file}"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A model with a request that it can answer."""

    model: str
    wire: str
    check: Path


def commands(snapshot: Snapshot, models: Sequence[Shown], *, public: str, key: str, place: Place) -> list[str]:
    """Lines for a shell: the key, a call of the first text model, one of the first tensor model, the status.

    Without a key the first line says how to make one.
    """
    lines: list[str] = []
    if snapshot.auth != "none":
        lines.append(f"export KEY={key}" if key else f"export KEY=…    # from: {place.command('keys create NAME')}")
    for wire in ("openai", "v2"):
        for model in models:
            endpoint = _endpoint_of(snapshot, model.model)
            if model.wire == wire and endpoint:
                lines.append(_curl(public, model, endpoint=endpoint, auth=snapshot.auth, folder=place.folder))
                break
    return [*lines, place.command("status")]


def program_name(argument: str, folder: Path) -> str:
    """How to call this program again from `folder`: relative below it, a bare name stays one, otherwise absolute."""
    if os.sep not in argument:
        return argument
    absolute = Path(os.path.abspath(folder / argument))  # noqa: PTH100 - a virtual environment's links must stay
    return "python -m modelwright" if absolute.name == "__main__.py" else seen_from(absolute, folder)


def seen_from(path: Path, folder: Path) -> str:
    """A path as it is written shortest and safely: relative when it lies below the folder."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _endpoint_of(snapshot: Snapshot, model: str) -> str:
    """The name that clients call to reach a model of ours; its own name when there is such an endpoint."""
    provider = provider_of(model)
    names = [
        endpoint.name
        for endpoint in snapshot.endpoints
        if any(variant.provider == provider and variant.weight > 0 for variant in endpoint.variants)
    ]
    return model if model in names else next(iter(names), "")


def _curl(public: str, model: Shown, *, endpoint: str, auth: str, folder: Path) -> str:
    if model.wire == "v2":
        header = "" if auth == "none" else ' -H "X-API-Key: $KEY"'
        file = shlex.quote(seen_from(model.check, folder))
        return f"curl {public}/v2/models/{endpoint}/infer{header} -d @{file}"
    asked: dict[str, Any] = json.loads(model.check.read_bytes())
    rest = {name: value for name, value in asked.items() if name not in {"model", "stream"}}
    body = json.dumps({"model": endpoint, "stream": True, **rest}, ensure_ascii=False, separators=(",", ":"))
    path = "/v1/chat/completions" if "messages" in asked else "/v1/completions"
    header = "" if auth == "none" else ' -H "Authorization: Bearer $KEY"'
    return f"curl -N {public}{path}{header} -d {shlex.quote(body)}"
