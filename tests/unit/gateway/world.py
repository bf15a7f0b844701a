"""A whole gateway in memory for unit tests: scripted upstreams, a ledger in memory, a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.adapters.limits.memory import MemoryLimits
from modelwright.adapters.prompts.jinja import compile_prompt
from modelwright.adapters.providers.table import dialect
from modelwright.adapters.stores.memory_cache import MemoryCache
from modelwright.adapters.stores.memory_ledger import MemoryLedger
from modelwright.adapters.tokens.jose import JoseKeyring
from modelwright.core.contracts.events import Event, RequestFinished
from modelwright.core.contracts.snapshot import Endpoint, Key, ProviderEntry, Snapshot, Timeouts, Variant
from modelwright.core.keys import compose_key, key_digest
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.guards import MakeGuard
from modelwright.core.ports.limits import Limiter
from modelwright.gateway.chain import Parts
from modelwright.gateway.http.door import Door
from modelwright.gateway.identity.renewal import Renewal
from modelwright.gateway.identity.source import KeySource
from modelwright.gateway.inflight import InFlight
from modelwright.gateway.live import Gateway
from modelwright.gateway.policies.mirror import MOST, Shadows
from modelwright.guards.guard import RuleGuard

PEPPER = b"pepper"
KEY_ID, KEY = compose_key(bytes(29))
CHAT = "/v1/chat/completions"
EVENT_STREAM = (b"content-type", b"text/event-stream")
JSON = (b"content-type", b"application/json")
ANSWER = b'{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
QUICK = Timeouts(connect=0.1, first_token=0.1, idle=0.1, total=60.0)


def chunk(text: str) -> bytes:
    """One event of a chat stream."""
    return b"data: " + msgspec.json.encode({"choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"


ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n'
DONE = b"data: [DONE]\n\n"


def snapshot(**changes: Any) -> Snapshot:
    """Endpoint `chat` of a remote provider, endpoint `digits` of our own model with two replicas, one key."""
    known = Snapshot(
        serial=1,
        name="tests",
        environment="test",
        manifest="sha256:m",
        release="sha256:r",
        auth="required",
        split_salt="00" * 16,
        max_body=10_000,
        max_in_flight=10,
        endpoints=(
            Endpoint(
                name="chat",
                operations=("chat", "completions", "embeddings"),
                variants=(Variant(name="main", provider="vendor", model="theirs"),),
                timeouts=QUICK,
            ),
            Endpoint(
                name="digits",
                operations=("infer",),
                variants=(Variant(name="only", provider="serving:digits", model="digits"),),
                timeouts=QUICK,
            ),
        ),
        providers=(
            ProviderEntry(name="vendor", kind="vllm", base_urls=("http://upstream/v1",), keys=("sk-secret",)),
            ProviderEntry(name="serving:digits", kind="serving", base_urls=("unix:/run/0.sock", "unix:/run/1.sock")),
        ),
        keys=(Key(id=KEY_ID, digest=key_digest(PEPPER, KEY), tenant="t"),),
    )
    return msgspec.structs.replace(known, **changes)


def patient_chat() -> Endpoint:
    """`chat`, whose upstream may be silent for long."""
    chat = snapshot().endpoints[0]
    return msgspec.structs.replace(chat, timeouts=Timeouts(connect=1.0, first_token=900.0, idle=900.0, total=60.0))


class Heard(msgspec.Struct):
    """What a client got."""

    status: int = 0
    headers: dict[str, str] = {}
    parts: list[bytes] = []
    """Body bytes by the message that carried them."""
    ended: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def error(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body)["error"]


class World:
    """Everything around one door."""

    def __init__(
        self,
        script: Sequence[Scripted] | Callable[[Any], Scripted] = (),
        *,
        guards: MakeGuard = RuleGuard,
        most_shadows: int = MOST,
        **changes: Any,
    ) -> None:
        self.clock = ManualClock()
        self.cache = MemoryCache(self.clock.now)
        self.ledger = MemoryLedger()
        self.upstream = FakeTransport(script)
        self.in_flight = InFlight(self.clock)
        self.key_source = KeySource(Path("/nowhere"), clock=self.clock)
        self.events: list[Event] = []
        self.chance = 0.5
        """What the die shows."""
        self.waits: list[float] = []
        """Seconds that policies have waited; the clock went on by as much."""
        self.limiter: Limiter = MemoryLimits(self.clock.now)
        self.shadows = Shadows(self.clock, ids=_ids("shadow"), most=most_shadows)
        self.gateway = Gateway(
            Parts(
                caches=lambda _: self.cache,
                clock=self.clock,
                guards=guards,
                in_flight=self.in_flight,
                key_source=self.key_source,
                keyrings=JoseKeyring,
                ledger=self.ledger,
                limiters=lambda _: self.limiter,
                pepper=PEPPER,
                renewal=Renewal(self.upstream, "/run/control.sock", clock=self.clock),
                shadows=self.shadows,
                transport=self.upstream,
                chance=lambda: self.chance,
                sleep=self._sleep,
                emit=self.events.append,
            ),
            dialects=dialect,
            resolve=lambda reference: reference,
            compile_prompt=compile_prompt,
        )
        self.gateway.apply(snapshot(**changes))
        self.door = Door(self.gateway, clock=self.clock, ids=_ids("call"), emit=self.events.append, version="9")

    async def ask(
        self,
        body: Any = None,
        *,
        path: str = CHAT,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        secret: str = KEY,
        leave: asyncio.Event | None = None,
        on_part: Callable[[], Awaitable[object]] | None = None,
    ) -> Heard:
        """One request; the client leaves when `leave` is set, and is slow by what `on_part` awaits."""
        content = body if isinstance(body, bytes) else msgspec.json.encode(body or {"model": "chat", "messages": []})
        named = {"authorization": f"Bearer {secret}", "content-length": str(len(content)), **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "client": ("192.0.2.1", 1),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items() if value],
        }
        heard = Heard()
        given = False
        never = leave or asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": content, "more_body": False}
            await never.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            assert not heard.ended
            if message["type"] == "http.response.start":
                heard.status = message["status"]
                heard.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                return
            heard.parts.append(message["body"])
            heard.ended = not message.get("more_body", False)
            if on_part is not None:
                await on_part()

        await self.door(scope, receive, send)
        return heard

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    def finished(self) -> RequestFinished:
        """The one event of the only request."""
        (event,) = self.events
        assert isinstance(event, RequestFinished)
        return event

    def outcomes(self) -> list[str]:
        """What the ledger holds, line by line."""
        return [line.outcome for line in self.ledger.lines]


def _ids(word: str) -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"{word}-{next(numbers)}"


def answers(body: bytes = ANSWER, *, status: int = 200, **headers: str) -> Scripted:
    """A whole answer."""
    named = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Scripted(status=status, headers=(JSON, *named), pieces=(body,) if body else ())


def streams(*pieces: bytes | float, whole: bool = True) -> Scripted:
    """An event stream."""
    return Scripted(headers=(EVENT_STREAM,), pieces=pieces, whole=whole)
