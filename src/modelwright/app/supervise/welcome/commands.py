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

_HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Say hello."}]}


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
    """Lines for a shell: the key, a call of the first text model, of the first tensor model and class, the status.

    Without a text model of ours, an endpoint that chats elsewhere is called. Without a key the first line says how to
    make one.
    """
    lines: list[str] = []
    if snapshot.auth != "none":
        lines.append(f"export KEY={key}" if key else f"export KEY=…    # from: {place.command('keys create NAME')}")
    reached = [(model, _endpoint_of(snapshot, model.model)) for model in models]
    for wire in ("openai", "v2", "plain"):
        found = next(((model, name) for model, name in reached if model.wire == wire and name), None)
        elsewhere = _chats_elsewhere(snapshot) if wire == "openai" and found is None else ""
        if found is not None:
            lines.append(_curl(public, found[0], endpoint=found[1], auth=snapshot.auth, folder=place.folder))
        elif elsewhere:
            lines.append(_curl_of_text(public, _HELLO, endpoint=elsewhere, auth=snapshot.auth))
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


def _chats_elsewhere(snapshot: Snapshot) -> str:
    """The first endpoint that chats with a provider that is on; empty when there is none."""
    on = {provider.name for provider in snapshot.providers if not provider.off}
    names = (
        endpoint.name
        for endpoint in snapshot.endpoints
        if "chat" in endpoint.operations and any(each.provider in on for each in endpoint.variants)
    )
    return next(names, "")


def _curl(public: str, model: Shown, *, endpoint: str, auth: str, folder: Path) -> str:
    if model.wire != "openai":
        header = "" if auth == "none" else ' -H "X-API-Key: $KEY"'
        file = shlex.quote(seen_from(model.check, folder))
        is_plain = model.wire == "plain" and not _is_v2(json.loads(model.check.read_bytes()))
        path = f"/predict/{endpoint}" if is_plain else f"/v2/models/{endpoint}/infer"
        return f"curl {public}{path}{header} -d @{file}"
    return _curl_of_text(public, json.loads(model.check.read_bytes()), endpoint=endpoint, auth=auth)


def _is_v2(asked: dict[str, Any]) -> bool:
    """A class that declares tensors is tried by a V2 request."""
    inputs = asked.get("inputs")
    return isinstance(inputs, list) and all(isinstance(one, dict) and "shape" in one for one in inputs)


def _curl_of_text(public: str, asked: dict[str, Any], *, endpoint: str, auth: str) -> str:
    rest = {name: value for name, value in asked.items() if name not in {"model", "stream"}}
    body = json.dumps({"model": endpoint, "stream": True, **rest}, ensure_ascii=False, separators=(",", ":"))
    path = "/v1/chat/completions" if "messages" in asked else "/v1/completions"
    header = "" if auth == "none" else ' -H "Authorization: Bearer $KEY"'
    return f"curl -N {public}{path}{header} -d {shlex.quote(body)}"
