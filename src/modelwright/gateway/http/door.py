"""The public ASGI door: a request into a call, its reply back to the client; it decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from modelwright.core.contracts.events import Event, RequestFinished
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors import CallError
from modelwright.core.ports.clock import Clock
from modelwright.gateway.call import Call
from modelwright.gateway.http.body import Body, BodyBudget, Receive
from modelwright.gateway.http.exchange import Exchange, Send
from modelwright.gateway.http.paths import Match, match
from modelwright.gateway.http.tags import read_tags
from modelwright.gateway.http.views import Views
from modelwright.gateway.live import Gateway

_INTERNAL = CallError("internal error of the gateway", hint="the log holds the details")


class Door:
    """One per worker process."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        clock: Clock,
        ids: Callable[[], str],
        emit: Callable[[Event], None],
        version: str,
        release: str = "",
    ) -> None:
        """`ids` makes call ids, `emit` takes one event per request, `release` goes into every row."""
        self._gateway = gateway
        self._now = clock.now
        self._monotonic = clock.monotonic
        self._ids = ids
        self._emit = emit
        self._release = release
        self._in_flight = gateway.parts.in_flight
        self._budget = BodyBudget()
        self._views = Views(gateway, version=version)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        exchange = Exchange(scope, send, started=self._monotonic(), call_id=self._ids())
        exchange.hang_up = self._gateway.draining
        try:
            found = match(exchange.method, exchange.path)
            exchange.template = found.template
            if found.operation:
                await self._call(exchange, receive, found)
            else:
                await exchange.answer(await self._views.answer(found, exchange.headers))
        except CallError as error:
            await exchange.refuse(error)
        except asyncio.CancelledError:
            if not exchange.client_left():
                raise
        except Exception:
            await exchange.refuse(_INTERNAL)
            raise
        finally:
            self._finish(exchange)

    async def _call(self, exchange: Exchange, receive: Receive, found: Match) -> None:
        headers = exchange.headers
        row = LedgerRow(
            call=exchange.call_id,
            request_id=exchange.request_id,
            at=self._now(),
            operation=found.operation,
            endpoint=found.model,
            release=self._release,
        )
        body = Body(receive, declared=headers.get(b"content-length"), budget=self._budget)
        call = Call(row, headers=headers, started=exchange.started, read=body.read, client_gone=body.gone)
        call.version = found.version
        exchange.call = call
        try:
            if b"x-modelwright-tags" in headers:
                row.tags = read_tags(headers[b"x-modelwright-tags"])
            await exchange.answer(await self._gateway.in_force().chain(call))
        finally:
            exchange.hang_up = exchange.hang_up or body.hang_up
            self._in_flight.leave(call)

    def _finish(self, exchange: Exchange) -> None:
        gateway = self._gateway
        row = exchange.identified_row()
        if row is not None:
            gateway.calls += 1
            gateway.errors += row.outcome != "ok"
        self._emit(
            RequestFinished(
                at=self._now(),
                method=exchange.method,
                path=exchange.template,
                status=exchange.status,
                duration_ms=round((self._monotonic() - exchange.started) * 1000, 3),
                client=exchange.client,
                request_id=exchange.request_id,
                error=row.error if row is not None else exchange.error,
                call=row,
            )
        )
