"""The public door's paths: what each means, and the error for those that mean nothing."""

from __future__ import annotations

import msgspec

from modelwright.core.errors.calls import CallError, MethodNotAllowed, UnknownPath
from modelwright.core.wire import anthropic, openai, responses
from modelwright.core.wire.v2 import NAME

_V2 = "/v2/models/"
_REPOSITORY = "/v2/repository/"
REPOSITORY_VIEWS = frozenset({"index", "load", "unload"})
_TASKS = "/v1/tasks"
_PREDICT = "/predict/"


class Match(msgspec.Struct, frozen=True):
    """What a request asks for."""

    template: str
    """The path with its names as `{model}`: bounded, so that it may label a metric."""
    view: str = ""
    """A question that we answer ourselves (gateway/views.py); empty for a call."""
    operation: str = ""
    """chat | completions | embeddings | messages | responses | infer | predict; empty for a view."""
    model: str = ""
    version: str = ""
    task: str = ""


FIXED: dict[str, tuple[str, Match]] = {
    **{path: ("POST", Match(path, operation=operation)) for path, operation in openai.PATHS.items()},
    "/v1/feedback": ("POST", Match("/v1/feedback", view="feedback")),
    anthropic.PATH: ("POST", Match(anthropic.PATH, operation="messages")),
    responses.PATH: ("POST", Match(responses.PATH, operation="responses")),
    "/v1/models": ("GET", Match("/v1/models", view="models")),
    "/v2": ("GET", Match("/v2", view="server")),
    "/v2/health/live": ("GET", Match("/v2/health/live", view="live")),
    "/v2/health/ready": ("GET", Match("/v2/health/ready", view="v2_ready")),
    "/v2/models/stats": ("GET", Match("/v2/models/stats", view="statistics")),
    "/v2/repository/index": ("POST", Match("/v2/repository/index", view="index")),
    "/healthz": ("GET", Match("/healthz", view="live")),
    "/readyz": ("GET", Match("/readyz", view="ready")),
    "/docs": ("GET", Match("/docs", view="docs")),
    "/openapi.json": ("GET", Match("/openapi.json", view="openapi")),
}
_OF_MODELS = {"": "metadata", "ready": "ready", "config": "config", "stats": "statistics", "infer": "infer"}
"""What may follow the name of a model on the V2 wire."""
TASKS: dict[tuple[str, str], Match] = {
    ("POST", ""): Match(_TASKS, view="leave"),
    ("GET", ""): Match(_TASKS, view="browse"),
    ("GET", "/{task}"): Match(f"{_TASKS}/{{task}}", view="look"),
    ("POST", "/{task}/cancel"): Match(f"{_TASKS}/{{task}}/cancel", view="cancel"),
}
"""By method and what follows `/v1/tasks`."""
TASK_VIEWS = frozenset(found.view for found in TASKS.values())
_QUICK: dict[tuple[str, str], Match] = {(method, path): match for path, (method, match) in FIXED.items()}


def match(method: str, path: str) -> Match:
    """Raises UnknownPath or MethodNotAllowed (whose `place` holds the Allow header's value)."""
    found = _QUICK.get((method, path))
    return found if found is not None else _slowly(method, path)


def wire_of(path: str) -> str:
    """Whose form errors on this path take: v2, anthropic or openai."""
    if path == "/v2" or path.startswith("/v2/"):
        return "v2"
    return "anthropic" if path == anthropic.PATH or path.startswith(f"{anthropic.PATH}/") else "openai"


def _slowly(method: str, path: str) -> Match:
    if path == _TASKS or path.startswith(f"{_TASKS}/"):
        return _of_tasks(method, path)
    allowed, found = FIXED.get(path) or FIXED.get(path.rstrip("/")) or _named(path)
    if method == allowed or (method == "HEAD" and allowed == "GET"):
        return found
    raise MethodNotAllowed(f"{path[:128]} does not take {method}", hint=f"use {allowed}", place=allowed)


def _of_tasks(method: str, path: str) -> Match:
    name, _, rest = path.removeprefix(_TASKS).strip("/").partition("/")
    form = ("/{task}" if name else "") + (f"/{rest}" if rest else "")
    found = TASKS.get(("GET" if method == "HEAD" else method, form))
    if found is not None:
        return msgspec.structs.replace(found, task=name)
    others = [known for known, tail in TASKS if tail == form]
    if not others:
        raise unknown_path(path)
    allowed = ", ".join(others)
    raise MethodNotAllowed(f"{path[:128]} does not take {method}", hint=f"use {allowed}", place=allowed)


def _named(path: str) -> tuple[str, Match]:
    if path.startswith("/v1/models/"):
        return "GET", Match("/v1/models/{model}", view="model", model=path.removeprefix("/v1/models/"))
    if path.startswith(_V2):
        name, *rest = path.removeprefix(_V2).rstrip("/").split("/")
        version = rest[1] if len(rest) >= 2 and rest[0] == "versions" else ""
        tail = "/".join(rest[2:] if version else rest)
        if NAME.fullmatch(name) and (not version or NAME.fullmatch(version)) and tail in _OF_MODELS:
            template = f"{_V2}{{model}}{'/versions/{version}' if version else ''}{'/' if tail else ''}{tail}"
            if tail == "infer":
                return "POST", Match(template, operation="infer", model=name, version=version)
            return "GET", Match(template, view=_OF_MODELS[tail], model=name, version=version)
    if path.startswith(f"{_REPOSITORY}models/"):
        name, _, verb = path.removeprefix(f"{_REPOSITORY}models/").rstrip("/").partition("/")
        if NAME.fullmatch(name) and verb in {"load", "unload"}:
            return "POST", Match(f"{_REPOSITORY}models/{{model}}/{verb}", view=verb, model=name)
    if path.startswith(_PREDICT):
        name, *rest = path.removeprefix(_PREDICT).rstrip("/").split("/")
        if NAME.fullmatch(name) and not rest:
            return "POST", Match(f"{_PREDICT}{{model}}", operation="predict", model=name)
        if NAME.fullmatch(name) and rest == ["openapi.json"]:
            return "GET", Match(f"{_PREDICT}{{model}}/openapi.json", view="schema", model=name)
    raise unknown_path(path)


def unknown_path(path: str) -> CallError:
    """The error that says where to look."""
    return UnknownPath(
        f"nothing is served at {path[:128]!r}",
        hint="see /docs for what is, /v1/models for the endpoints",
    )
