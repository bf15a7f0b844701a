"""Commands to paste once a site runs, derived from its manifest; it runs none."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelwright.app.snapshot import provider_of
from modelwright.app.supervise.welcome.examples import WORD, Told, binary_request, plain_body
from modelwright.core.contracts.snapshot import Snapshot

_EMBEDDINGS = "embeddings"
_KINDS = ("openai", _EMBEDDINGS, "v2", "plain")
"""In their order."""
_DESCRIBED = ("v2", "plain")
"""Those that have to say what they take."""
_HEADERS = (' -H "Authorization: Bearer $KEY"', ' -H "X-API-Key: $KEY"')
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
    """A model that can be asked."""

    model: str
    wire: str
    part: str = ""
    """The process that knows what it takes."""
    check: Path | None = None
    """A request that it can answer; None: one is made of what the model says of itself."""


def commands(
    snapshot: Snapshot,
    models: Sequence[Shown],
    *,
    public: str,
    key: str,
    place: Place,
    told: Mapping[str, Told] | None = None,
) -> list[str]:
    """Lines for a shell: the key, a call of the first text model, of the first of vectors, of tensors and class, the
    status. `told` is what models without a check say of themselves.

    Without a text model of ours, an endpoint that chats elsewhere is called. Without a key the first line says how to
    make one.
    """
    lines: list[str] = []
    if snapshot.auth != "none":
        lines.append(f"export KEY={key}" if key else f"export KEY=…    # from: {place.command('keys create NAME')}")
    shell = _Shell(public, auth=snapshot.auth, folder=place.folder, told=told or {})
    chosen = asked(snapshot, models, known=shell.told)
    elsewhere = "" if "openai" in chosen else _chats_elsewhere(snapshot)
    if elsewhere:
        lines.append(shell.chat(_HELLO, elsewhere))
    lines.extend(shell.call(kind, model, endpoint) for kind, (model, endpoint) in chosen.items())
    return [*lines, place.command("status")]


def asked(
    snapshot: Snapshot, models: Sequence[Shown], *, known: Mapping[str, Told] | None = None
) -> dict[str, tuple[Shown, str]]:
    """Which models are shown, one of each kind, with the endpoint that is called; those with a check come first.

    `known`: whose requests can be made by now; None: all of them.
    """
    found: dict[str, tuple[Shown, str]] = {}
    endpoints = {endpoint.name: endpoint for endpoint in snapshot.endpoints}
    for model in sorted(models, key=lambda one: one.check is None):
        endpoint = _endpoint_of(snapshot, model.model)
        if not endpoint:
            continue
        kind = model.wire
        if kind == "v2" and model.check is None and _EMBEDDINGS in endpoints[endpoint].operations:
            kind = _EMBEDDINGS
        if model.check is not None or kind not in _DESCRIBED or known is None or model.model in known:
            found.setdefault(kind, (model, endpoint))
    return {kind: found[kind] for kind in _KINDS if kind in found}


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


class _Shell:
    """Writes calls as a shell takes them."""

    def __init__(self, public: str, *, auth: str, folder: Path, told: Mapping[str, Told]) -> None:
        self.told = told
        self._public = public
        self._folder = folder
        self._bearer, self._key = ("", "") if auth == "none" else _HEADERS

    def call(self, kind: str, model: Shown, endpoint: str) -> str:
        """Of a model of ours."""
        asked = json.loads(model.check.read_bytes()) if model.check is not None else None
        if kind == "openai":
            return self.chat(asked or _HELLO, endpoint)
        if kind == _EMBEDDINGS:
            body = _compact({"model": endpoint, "input": WORD})
            return f"curl {self._public}/v1/embeddings{self._bearer} -d {shlex.quote(body)}"
        if model.check is not None:
            file = shlex.quote(seen_from(model.check, self._folder))
            path = f"/predict/{endpoint}" if kind == "plain" and not _is_v2(asked) else f"/v2/models/{endpoint}/infer"
            return f"curl {self._public}{path}{self._key} -d @{file}"
        return self._made(self.told[model.model], endpoint)

    def chat(self, asked: dict[str, Any], endpoint: str) -> str:
        """A stream of text."""
        rest = {name: value for name, value in asked.items() if name not in {"model", "stream"}}
        body = _compact({"model": endpoint, "stream": True, **rest})
        path = "/v1/chat/completions" if "messages" in asked else "/v1/completions"
        return f"curl -N {self._public}{path}{self._bearer} -d {shlex.quote(body)}"

    def _made(self, told: Told, endpoint: str) -> str:
        body = plain_body(told)
        if body:
            return f"curl {self._public}/predict/{endpoint}{self._key} -d {shlex.quote(body)}"
        zeros, header = binary_request(told.inputs)
        target = f"{self._public}/v2/models/{endpoint}/infer{self._key}"
        return f'{zeros} | curl {target} -H "{header}" --data-binary @-'


def _is_v2(asked: Any) -> bool:
    """A class that declares tensors is tried by a V2 request."""
    inputs = asked.get("inputs") if isinstance(asked, dict) else None
    return isinstance(inputs, list) and all(isinstance(one, dict) and "shape" in one for one in inputs)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
