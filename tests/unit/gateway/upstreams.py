"""Upstreams with a script each, and a gateway in memory with an endpoint over several of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Endpoint, ProviderEntry, Retries, Variant
from modelwright.core.ports.http import UpstreamRequest
from tests.unit.gateway.world import QUICK, Heard, World, answers

STREAM = {"model": "chat", "messages": [], "stream": True}


def endpoint(*names: str, retries: int = 0, fallback: Sequence[str] = (), **changes: Any) -> Endpoint:
    """`chat` with a variant of its own provider per name; the first has all the weight."""
    return Endpoint(
        name="chat",
        operations=("chat", "completions", "embeddings"),
        variants=tuple(
            Variant(name=name, provider=name, model=f"{name}-model", weight=float(name == names[0])) for name in names
        ),
        timeouts=changes.pop("timeouts", QUICK),
        retries=Retries(attempts=retries, backoff=1.0, longest=4.0),
        fallback=tuple(fallback),
        **changes,
    )


def providers(*names: str, **keys: tuple[str, ...]) -> tuple[ProviderEntry, ...]:
    return tuple(
        ProviderEntry(name=name, kind="vllm", base_urls=(f"http://{name}/v1",), keys=keys.get(name, (f"sk-{name}",)))
        for name in names
    )


class Upstreams:
    """Answers of each provider in order; the last one again and again."""

    def __init__(self, **scripts: Sequence[Scripted]) -> None:
        self.scripts = {name: list(script) for name, script in scripts.items()}
        self.hits: dict[str, int] = dict.fromkeys(scripts, 0)
        self.asked = asyncio.Event()

    def __call__(self, request: UpstreamRequest) -> Scripted:
        name = request.origin.host
        self.hits[name] += 1
        self.asked.set()
        script = self.scripts[name]
        return script.pop(0) if len(script) > 1 else script[0]


def world(upstreams: Upstreams, *names: str, retries: int = 0, fallback: Sequence[str] = (), **changes: Any) -> World:
    entries = changes.pop("providers", None) or providers(*names)
    known = endpoint(*names, retries=retries, fallback=fallback, **changes)
    return World(upstreams, endpoints=(known,), providers=entries)


def ask(site: World, body: Any = None, **more: Any) -> Heard:
    return asyncio.run(site.ask(body, **more))


def outcomes(site: World) -> list[LedgerRow]:
    return [line for line in site.ledger.lines if line.outcome != "intent"]


FAILS = answers(b"{}", status=500)
GOOD = answers()
