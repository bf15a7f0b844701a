"""A whole measurement: find the site, make the request, try it once, put each load on, ask what it has cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import msgspec
import uvloop

from modelwright.adapters.http.pool import Limits, Pool
from modelwright.app.bench.client import Client
from modelwright.app.bench.figures import Figures, Load
from modelwright.app.bench.load import MOST, under
from modelwright.app.bench.shot import Shot, chat_shot, own_shot, plain_shot, tensor_shot, vectors_shot
from modelwright.app.settings.settings import process_environment
from modelwright.app.supervise.control import Control
from modelwright.app.supervise.look import look, state_of
from modelwright.app.supervise.welcome.examples import TensorTold, Told, plain_body
from modelwright.app.supervise.welcome.key import NAME
from modelwright.app.system import SystemClock
from modelwright.core.errors.calls import CallError, Malformed
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.http import Origin

KEY = "MODELWRIGHT_KEY"
"""The variable with the API key that is used."""
TAG = "bench"
WARM = 1.0
"""Seconds of the first load that are not counted."""
_BOOKS = 5.0
"""Seconds in which the ledger has to know of the last calls."""
_PORTS = {"http": 80, "https": 443}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured, and how."""

    endpoint: str
    manifest: Path
    url: str = ""
    """Of a gateway elsewhere; empty: the one that runs this manifest."""
    loads: tuple[Load, ...]
    seconds: float
    """Of each load."""
    within: float = 60.0
    """Seconds that an answer may take to begin, and to go on."""
    data: Path | None = None
    """The JSON body of one request; None: one is made."""
    rows: int = 1
    """Of a tensor request that is made."""
    stream: bool = True
    """Of a chat request that is made."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome."""

    endpoint: str
    url: str
    target: str
    """Path that was asked."""
    rows: int
    stream: bool
    figures: tuple[Figures, ...]


def measure(wish: Wish, *, tell: Callable[[Figures], None]) -> Measured:
    """Measure; `tell` hears of each load when it is done.

    Raises NotRunning, and StartError when the endpoint does not answer a first request.
    """
    url = wish.url.rstrip("/") or look(state_of(wish.manifest)).public
    key = process_environment().get(KEY, "") or ("" if wish.url else _kept(wish.manifest))
    return uvloop.run(_measure(wish, url=url, key=key, tell=tell))


async def _measure(wish: Wish, *, url: str, key: str, tell: Callable[[Figures], None]) -> Measured:
    pool = Pool(limits=Limits(idle=MOST, open=2 * MOST))
    run = uuid4().hex[:12]
    begins = SystemClock.now()
    auth = ((b"authorization", b"Bearer " + key.encode()),) if key else ()

    def client(number: int) -> Client:
        tag = (b"x-modelwright-tags", f"{TAG}={run}-{number}".encode())
        return Client(pool, _origin(url), headers=(*auth, tag), within=wish.within, clock=SystemClock())

    try:
        shot = await _shot(wish, client(0))
        await _first(shot, client(0), endpoint=wish.endpoint)
        await _put(wish.loads[0], client(0), shot, seconds=min(WARM, wish.seconds))
        done: list[Figures] = []
        for number, load in enumerate(wish.loads, start=1):
            figures = await _put(load, client(number), shot, seconds=wish.seconds)
            if not wish.url:
                cost = await asyncio.to_thread(
                    _cost, wish.manifest, tag=f"{TAG}={run}-{number}", since=begins, calls=figures.requests
                )
                figures = msgspec.structs.replace(figures, cost_per_1000=cost)
            tell(figures)
            done.append(figures)
    finally:
        await pool.close()
    return Measured(
        endpoint=wish.endpoint, url=url, target=shot.target, rows=shot.rows, stream=shot.stream, figures=tuple(done)
    )


async def _put(load: Load, client: Client, shot: Shot, *, seconds: float) -> Figures:
    return await under(load, lambda planned: client.send(shot, planned), seconds=seconds, clock=SystemClock())


class _Metadata(msgspec.Struct):
    inputs: tuple[TensorTold, ...]


async def _shot(wish: Wish, client: Client) -> Shot:
    """The user's request, or one that the endpoint takes: tensors, plain JSON, a conversation, a text to embed."""
    name = quote(wish.endpoint, safe="")
    try:
        status, metadata = await client.get(f"/v2/models/{name}")
        tensors = msgspec.json.decode(metadata, type=_Metadata).inputs if status == HTTPStatus.OK else ()
        plain = status == HTTPStatus.OK and not tensors
        if wish.data is not None:
            return own_shot(wish.endpoint, wish.data.read_bytes(), plain=plain)
        if tensors:
            return tensor_shot(wish.endpoint, tensors, rows=wish.rows)
        if plain:
            _, document = await client.get(f"/predict/{name}/openapi.json")
            told = Told(document=msgspec.json.decode(document))
            return plain_shot(wish.endpoint, plain_body(told).encode())
        chat = chat_shot(wish.endpoint, stream=wish.stream)
        tried = await client.send(chat, SystemClock.monotonic())
        vectors = vectors_shot(wish.endpoint)
        if tried.error and not (await client.send(vectors, SystemClock.monotonic())).error:
            return vectors
    except Malformed as error:
        raise StartError(error.message, hint=error.hint, place=str(wish.data)) from None
    except CallError as error:
        raise StartError(error.message, hint=error.hint, place=wish.endpoint) from error
    return chat


async def _first(shot: Shot, client: Client, *, endpoint: str) -> None:
    """Raise StartError unless the endpoint answers."""
    sample = await client.send(shot, SystemClock.monotonic())
    if sample.error:
        hint = "give --data FILE, the JSON body of a request that it can answer"
        if sample.error.startswith(("401", "403")):
            hint = f"set {KEY} to an API key that may call it"
        elif sample.error.startswith("404"):
            hint = "see `modelwright explain`, or GET /v1/models, for the endpoints"
        raise StartError(f"a first request to {shot.target} was answered: {sample.error}", hint=hint, place=endpoint)


class Total(msgspec.Struct):
    """Calls of one outcome and currency, as control sums them."""

    calls: int
    cost: str
    unpriced: int
    currency: str
    outcome: str


def _cost(manifest: Path, *, tag: str, since: float, calls: int) -> dict[str, str]:
    """Of a thousand calls, by currency; empty when it cannot be known."""
    control = Control(state_of(manifest), refusals=())
    query = urlencode({"tag": tag, "since": since - 1})
    until = SystemClock.monotonic() + _BOOKS
    try:
        while True:
            totals = msgspec.json.decode(control.ask("GET", f"/ledger/summary?{query}"), type=list[Total])
            if sum(total.calls for total in totals if total.outcome != "intent") >= calls:
                return per_thousand(totals, calls)
            if SystemClock.monotonic() > until:
                return {}
            time.sleep(0.2)
    except ModelwrightError:
        return {}


def per_thousand(totals: Sequence[Total], calls: int) -> dict[str, str]:
    """Exact decimals by currency; empty while a call of them is unpriced."""
    if not calls or any(total.unpriced for total in totals):
        return {}
    sums: dict[str, Decimal] = {}
    for total in totals:
        if total.currency:
            sums[total.currency] = sums.get(total.currency, Decimal(0)) + Decimal(total.cost)
    return {currency: format((1000 * amount / calls).normalize(), "f") for currency, amount in sums.items()}


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise StartError(f"{url!r} is no address of a gateway", hint="write it as http://host:8000", place="--url")
    return Origin(scheme=parts.scheme, host=parts.hostname, port=parts.port or _PORTS[parts.scheme])


def _kept(manifest: Path) -> str:
    """The key of a development run; empty where there is none."""
    try:
        return (state_of(manifest) / "keys" / NAME).read_text("utf-8").strip()
    except OSError:
        return ""
