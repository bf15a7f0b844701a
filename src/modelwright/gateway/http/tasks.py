"""The public door of tasks: who asks is known and what they ask is read here, control keeps it; no task is run here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qsl

import msgspec

from modelwright.core.errors.calls import CallError, Malformed, Overloaded, UnknownPath, Unprocessable
from modelwright.core.errors.tasks import TasksUnavailable, UnknownTask
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest
from modelwright.core.tasks.talk import PATH, Browse, Cancel, Leave, Look, Question, Refusal, raised
from modelwright.core.tasks.task import STATUSES, Principal
from modelwright.core.tasks.wish import Wish, check_key, read_wish
from modelwright.core.wire import anthropic, openai, responses
from modelwright.gateway.call import HeaderPairs, Reply
from modelwright.gateway.http.body import Body
from modelwright.gateway.http.paths import Match, match
from modelwright.gateway.inflight import UPLOAD
from modelwright.gateway.live import Gateway, InForce
from modelwright.gateway.policies.read import HEADS
from modelwright.gateway.policies.route import out_of_scope, unknown_endpoint

MOST_ASKING = 64
"""Requests about tasks that one worker has control answer at once."""
PAGE, MOST_PAGE = 20, 100
KEPT = (
    b"cache-control",
    b"traceparent",
    b"tracestate",
    b"x-forwarded-for",
    b"x-modelwright-tags",
    b"x-request-id",
    *anthropic.VERSIONS,
)
"""Headers of the request that leaves a task that its call will have; and those that the manifest names."""
_SECRET = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"x-api-key"})
"""Never kept, whatever the manifest names."""
_LONGEST = 1024
_ROOM = 1 << 20
"""Bytes of an answer of control's beside the bodies in it."""
_WITHIN = Deadlines(connect=0.5, first_byte=3.0, idle=3.0)
_ID = re.compile(r"task_[0-9a-f-]{36}")
_JSON = (b"content-type", b"application/json")
_SHOWN = 128


class Asking(Protocol):
    """Whoever keeps the tasks."""

    async def ask(self, question: Question, *, limit: int) -> bytes:
        """JSON of at most so many bytes; raises CallError."""
        ...


class Desk:
    """Asks control over its Unix socket."""

    def __init__(self, transport: Transport, socket: str) -> None:
        """`socket` is its path."""
        self._transport = transport
        self._origin = Origin(scheme="unix", host=socket)
        self._asking = 0

    async def ask(self, question: Question, *, limit: int) -> bytes:
        if self._asking >= MOST_ASKING:
            raise Overloaded(f"{MOST_ASKING} requests about tasks wait already", hint="send again", retry_after=1.0)
        request = UpstreamRequest(
            origin=self._origin,
            method="POST",
            target=PATH,
            headers=((b"content-type", b"application/json"),),
            body=msgspec.json.encode(question),
        )
        self._asking += 1
        try:
            answer = await self._transport.send(request, _WITHIN)
            content = await answer.read(limit)
            refused = None if answer.status == 200 else msgspec.json.decode(content, type=Refusal)
        except (CallError, msgspec.MsgspecError):
            raise TasksUnavailable(
                "tasks cannot be kept or shown now", hint="send again; calls go on meanwhile", retry_after=2.0
            ) from None
        finally:
            self._asking -= 1
        if refused is None:
            return content
        raise raised(refused)


class TaskView:
    """One per worker."""

    def __init__(self, gateway: Gateway, desk: Asking) -> None:
        self._gateway = gateway
        self._desk = desk

    async def answer(
        self, found: Match, headers: dict[bytes, bytes], body: Body, *, client: str, query: bytes
    ) -> Reply:
        """Leave, look, browse or cancel. Raises CallError."""
        in_force = self._gateway.in_force()
        rules = in_force.table.snapshot.tasks
        if rules is None:
            raise UnknownPath("nobody can leave tasks here", hint="the manifest needs a section `tasks`")
        principal = await in_force.authenticate.principal(headers, client)
        limit = 2 * rules.max_answer + _ROOM
        match found.view:
            case "leave":
                content = await body.read_soon(rules.max_body, within=UPLOAD)
                left = await self._desk.ask(_left(in_force, principal, headers=headers, content=content), limit=limit)
                return _reply(left, status=202)
            case "browse":
                return _reply(await self._desk.ask(_browse(principal, query), limit=MOST_PAGE * _ROOM))
            case "cancel":
                return _reply(await self._desk.ask(Cancel(principal=principal, task=_id(found.task)), limit=limit))
            case _:
                return _reply(await self._desk.ask(Look(principal=principal, task=_id(found.task)), limit=limit))


def _left(in_force: InForce, principal: Principal, *, headers: dict[bytes, bytes], content: bytes) -> Leave:
    """What can be seen to be wrong now is refused now, not when the task runs."""
    wish = read_wish(content)
    rules = in_force.table.snapshot.tasks
    if wish.webhook and (rules is None or rules.webhook is None):
        hint = "leave it out, or name `tasks.webhook.secrets` in the manifest"
        raise Unprocessable("webhooks are off here", hint=hint, param="webhook")
    endpoint = _endpoint(in_force, principal, wish)
    return Leave(
        principal=principal,
        wish=wish,
        endpoint=endpoint,
        headers=_kept(in_force, headers),
        idempotency=check_key(headers[b"idempotency-key"].decode("latin-1")) if b"idempotency-key" in headers else "",
        fingerprint=hashlib.sha256(content).hexdigest(),
    )


def _endpoint(in_force: InForce, principal: Principal, wish: Wish) -> str:
    """Whom the call asks for. Raises CallError for one that can never be answered."""
    try:
        called = match("POST", wish.url)
    except CallError as error:
        raise Unprocessable(f"`url`: {error.message}", hint=error.hint, param="url") from None
    if not called.operation:
        raise Unprocessable(f"`url`: {wish.url[:_SHOWN]} is no call", hint=f"such as {', '.join(_CALLS)}", param="url")
    name = called.model
    if called.operation not in {"infer", "predict"}:
        head = HEADS.get(called.operation, openai.read_head)(bytes(wish.body))
        if head.stream:
            hint = "leave it out: a task's answer is read as a whole"
            raise Unprocessable("`body.stream` is true, and nobody listens while a task runs", hint=hint, param="body")
        name = head.model[:_SHOWN]
    routes, scope = in_force.table.routes, principal.caller.endpoints
    if scope and name not in scope:
        raise out_of_scope(name, principal.caller.id)
    if name not in routes:
        raise unknown_endpoint(name, routes, scope)
    return name


_CALLS = (*openai.PATHS, anthropic.PATH, responses.PATH, "/v2/models/{name}/infer", "/predict/{name}")


def _kept(in_force: InForce, headers: Mapping[bytes, bytes]) -> dict[str, str]:
    names = {*KEPT}
    for route in in_force.table.routes.values():
        names |= {route.endpoint.split_header.encode(), route.endpoint.override_header.encode()}
    found = {name: headers[name] for name in sorted(names - _SECRET) if name in headers}
    if any(len(value) > _LONGEST for value in found.values()):
        raise Malformed(f"a header is longer than {_LONGEST} bytes", hint="a task's call keeps its headers: shorten it")
    return {name.decode(): value.decode("latin-1") for name, value in found.items()}


def _browse(principal: Principal, query: bytes) -> Browse:
    asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    unknown = sorted(asked.keys() - {"limit", "after", "status"})
    if unknown:
        raise Malformed(
            f"there is no parameter {unknown[0][:64]!r}", hint="limit, after or status", param=unknown[0][:64]
        )
    most, status = asked.get("limit", str(PAGE)), asked.get("status", "")
    if not (most.isascii() and most.isdecimal() and len(most) < 4 and 1 <= int(most) <= MOST_PAGE):
        raise Malformed("`limit` is no number from 1 to 100", hint=f"leave it out for {PAGE}", param="limit")
    if status and status not in STATUSES:
        raise Malformed(f"there is no status {status[:64]!r}", hint=f"one of {', '.join(STATUSES)}", param="status")
    after = asked.get("after", "")
    if after and not _ID.fullmatch(after):
        raise Malformed("`after` is no task's id", hint="send the last_id of the page before", param="after")
    return Browse(principal=principal, most=int(most), after=after, status=status)


def _id(name: str) -> str:
    if not _ID.fullmatch(name):
        raise UnknownTask(f"there is no task {name[:_SHOWN]!r}", hint="see GET /v1/tasks for yours")
    return name


class _Named(msgspec.Struct):
    id: str


def _reply(content: bytes, *, status: int = 200) -> Reply:
    headers: HeaderPairs = [_JSON]
    if status == 202:
        headers.append((b"location", f"/v1/tasks/{msgspec.json.decode(content, type=_Named).id}".encode()))
    return Reply(status, headers=headers, body=content)
