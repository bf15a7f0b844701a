"""The public ASGI door: a request into a call, its reply back to the client; it decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from modelwright.core.contracts.events import Event, RequestFinished
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import CallError, Draining
from modelwright.core.errors.tasks import TasksUnavailable
from modelwright.core.ports.clock import Clock
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.http.body import Body, BodyBudget, Receive
from modelwright.gateway.http.exchange import Exchange, Send
from modelwright.gateway.http.extensions.repository import RepositoryView
from modelwright.gateway.http.feedback import FeedbackView
from modelwright.gateway.http.paths import REPOSITORY_VIEWS, TASK_VIEWS, Match, match
from modelwright.gateway.http.tags import read_tags
from modelwright.gateway.http.tasks import TaskView
from modelwright.gateway.http.views import Views
from modelwright.gateway.live import Gateway, InForce

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
        tasks: TaskView | None = None,
        repository: RepositoryView | None = None,
        is_private: bool = False,
    ) -> None:
        """`ids` makes call ids, `emit` takes one event per request, `tasks` answers for those who leave tasks,
        `repository` for those who load and unload models.

        A private door believes what a call says of its caller: control makes calls there for whoever has left a task.
        """
        self._gateway = gateway
        self._tasks = tasks
        self._repository = repository
        self._is_private = is_private
        self._now = clock.now
        self._monotonic = clock.monotonic
        self._ids = ids
        self._emit = emit
        self._in_flight = gateway.parts.in_flight
        self._budget = BodyBudget()
        self._views = Views(gateway, version=version)
        self._feedback = FeedbackView(gateway, clock)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one HTTP request (ASGI)."""
        exchange = Exchange(scope, send, started=self._monotonic(), call_id=self._ids())
        try:
            found = match(exchange.method, exchange.path)
            exchange.template = found.template
            if found.operation:
                reply = await self._call(exchange, receive, found)
            elif found.view == "feedback":
                reply = await self._feedback.answer(exchange.headers, self._body(exchange, receive))
            elif found.view in TASK_VIEWS and self._tasks is not None:
                body = self._body(exchange, receive)
                query, client = scope["query_string"], exchange.client
                reply = await self._tasks.answer(found, exchange.headers, body, client=client, query=query)
            elif found.view in REPOSITORY_VIEWS and self._repository is not None:
                reply = await self._repository.answer(found, exchange.headers, self._body(exchange, receive))
            else:
                reply = await self._views.answer(found, exchange.headers)
            await exchange.answer(reply)
        except CallError as error:
            await exchange.refuse(error)
            error.__traceback__ = None  # frames that hold what holds the error would wait for the collector
        except asyncio.CancelledError:
            if not exchange.client_left():
                await exchange.refuse(Draining("the gateway stops", hint="send again: another process answers"))
                raise
        except Exception:
            await exchange.refuse(_INTERNAL)
            raise
        finally:
            self._finish(exchange)

    def _call(self, exchange: Exchange, receive: Receive, found: Match) -> Awaitable[Reply]:
        """Make the call and hand it to the chain."""
        headers = exchange.headers
        in_force = self._gateway.in_force()
        row = LedgerRow(
            call=exchange.call_id,
            request_id=exchange.request_id,
            at=self._now(),
            operation=found.operation,
            endpoint=found.model,
            release=in_force.release,
        )
        body = self._body(exchange, receive)
        call = Call(row, found.operation, headers, exchange.started, body.read, body.gone, found.version)
        call.client = exchange.client
        exchange.call = call
        if b"x-modelwright-tags" in headers:
            row.tags = read_tags(headers[b"x-modelwright-tags"])
        if self._is_private:
            return _of_task(in_force)(call)
        return in_force.chain(call)

    def _body(self, exchange: Exchange, receive: Receive) -> Body:
        declared = exchange.headers.get(b"content-length")
        body = exchange.body = Body(receive, declared=declared, budget=self._budget)
        return body

    def _finish(self, exchange: Exchange) -> None:
        """Whatever the end was: give the place back and tell of it."""
        gateway = self._gateway
        call, error = exchange.call, exchange.error
        row: LedgerRow | None = None
        if call is not None:
            self._in_flight.leave(call)
            if call.identified:
                row = call.row
                error = row.error
                gateway.calls += 1
                gateway.errors += row.outcome != "ok"
                if row.cost is None and not (call.lane is not None and call.lane.own):
                    gateway.unpriced += 1
        self._emit(
            RequestFinished(
                at=self._now(),
                method=exchange.method,
                path=exchange.template,
                status=exchange.status,
                duration_ms=_milliseconds(self._monotonic() - exchange.started),
                client=exchange.client,
                request_id=exchange.request_id,
                error=error,
                call=row,
            )
        )


def _of_task(in_force: InForce) -> Handler:
    if in_force.tasks is None:
        raise TasksUnavailable("the manifest names no tasks any more", hint="they wait until it does")
    return in_force.tasks


def _milliseconds(seconds: float) -> float:
    """Whole microseconds: more digits would only make every line longer."""
    return int(seconds * 1e6) / 1000
