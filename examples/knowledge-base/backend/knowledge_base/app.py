"""The HTTP door: conversations, answers as streams, feedback, and whether it is ready."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import asyncpg
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, StringConstraints
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from knowledge_base.answering import FAULTS, Answering
from knowledge_base.bell import Bell
from knowledge_base.corpus import edition, passages
from knowledge_base.events import HEADERS, events
from knowledge_base.gateway import Gateway
from knowledge_base.preparing import Preparing
from knowledge_base.settings import Settings, read
from knowledge_base.store import Store

COOKIE = "kb_visitor"
GRACE = 15.0
"""Seconds that answers have to end when it is stopped, after their readers have had theirs."""
_YEAR = 365 * 24 * 3600
_log = logging.getLogger("knowledge_base")


class Asked(BaseModel):
    """A question; its id is made by whoever asks, so that it can be sent again without being asked twice."""

    id: UUID
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class Judged(BaseModel):
    """What somebody thinks of an answer: 1 is good."""

    score: Literal[0, 1]


class Parts:
    """What requests need."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool) -> None:
        found = passages(settings.corpus)
        name = edition(found, settings.embeddings)
        self.gateway = Gateway(
            url=settings.gateway, key=settings.key, embeddings=settings.embeddings, chat=settings.chat
        )
        self.store = Store(pool, worker=uuid4())
        self.bell = Bell(settings.database)
        self.preparing = Preparing(self.store, self.gateway, edition=name, passages=found)
        self.answering = Answering(self.store, self.gateway, edition=name, near=settings.near)

    async def run(self) -> None:
        """Prepare, then answer."""
        await self.preparing.run()
        await self.answering.run()


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Starts without waiting for anybody: what is missing is said by /readyz, and in the log."""
    settings: Settings = app.state.settings
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    async with asyncpg.create_pool(settings.database, min_size=0, max_size=10, timeout=5, command_timeout=10) as pool:
        parts = app.state.parts = Parts(settings, pool)
        tasks = [asyncio.create_task(parts.run()), asyncio.create_task(parts.bell.listen())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await parts.answering.finish(GRACE)
        await parts.gateway.close()


def parts(request: Request) -> Parts:
    """Of this process."""
    return request.app.state.parts


def visitor(request: Request, response: Response, kb_visitor: Annotated[str, Cookie()] = "") -> UUID:
    """Whose conversations these are: a random number in a cookie, made at the first visit."""
    with contextlib.suppress(ValueError):
        return UUID(kb_visitor)
    made = uuid4()
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, str(made), max_age=_YEAR, httponly=True, samesite="lax", secure=secure)
    return made


Here = Annotated[Parts, Depends(parts)]
Visitor = Annotated[UUID, Depends(visitor)]


async def live() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


async def ready(here: Here) -> JSONResponse:
    """It can answer; otherwise it says what is missing."""
    missing = here.preparing.missing
    if not missing:
        try:
            missing = await here.store.lacking()
        except FAULTS as error:
            missing = f"PostgreSQL does not answer ({error}): see DATABASE_URL"
    return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)


async def about(request: Request, here: Here) -> dict[str, Any]:
    """Whether a language model answers; none: answers quote. null: the gateway does not say at the moment."""
    try:
        model = await here.gateway.has_model()
    except FAULTS:
        model = None
    return {"model": model, "release": request.app.state.settings.release}


async def conversations(here: Here, who: Visitor) -> list[dict[str, Any]]:
    """Of this visitor."""
    return await here.store.conversations(who)


async def conversation(conversation: UUID, here: Here, who: Visitor) -> list[dict[str, Any]]:
    """Its questions and answers; a conversation begins with its first question, so an unknown one is empty."""
    return await here.store.exchanges(who, conversation)


async def forget(conversation: UUID, here: Here, who: Visitor) -> Response:
    """Delete it."""
    await here.store.forget(who, conversation)
    return Response(status_code=204)


async def ask(conversation: UUID, asked: Asked, here: Here, who: Visitor) -> dict[str, Any]:
    """Write a question down. It may be sent again, as often as it takes: it is asked once."""
    if not await here.store.ask(who, conversation, asked.id, asked.text):
        raise HTTPException(409, "this id was used for something else: make a new one")
    here.answering.asked.set()
    return await here.store.exchange(who, asked.id) or {}


async def answer(
    question: UUID, here: Here, who: Visitor, after: str = "", last_event_id: Annotated[str, Header()] = ""
) -> StreamingResponse:
    """The answer as server-sent events, from the event `after` on."""

    async def stream() -> AsyncIterator[bytes]:
        try:
            async for piece in events(here.store, here.bell, who, question, after=last_event_id or after):
                yield piece
        except FAULTS as error:
            _log.warning("a stream was cut off, and will be asked for again: %s", error)

    return StreamingResponse(stream(), media_type="text/event-stream", headers=HEADERS)


async def again(question: UUID, here: Here, who: Visitor) -> dict[str, Any]:
    """Make an answer anew that was given up."""
    await here.store.again(who, question)
    here.answering.asked.set()
    if not (found := await here.store.exchange(who, question)):
        raise HTTPException(404, "no such question")
    return found


async def judge(question: UUID, judged: Judged, here: Here, who: Visitor) -> dict[str, Any]:
    """Keep what somebody thinks of an answer; the gateway is told of it, too, when it is there."""
    if not await here.store.judge(who, question, judged.score):
        raise HTTPException(404, "no such answer")
    here.answering.asked.set()
    return {"score": judged.score}


async def refused(_: Request, error: Exception) -> JSONResponse:
    """What a request has wrong, without repeating it."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    return JSONResponse({"detail": [{"at": one["loc"], "problem": one["msg"]} for one in found]}, 422)


async def away(_: Request, error: Exception) -> JSONResponse:
    """PostgreSQL or the gateway is away: the client asks again."""
    _log.warning("away: %s", error)
    return JSONResponse({"detail": "not available at the moment: try again"}, 503, headers={"retry-after": "1"})


class Signed:
    """Puts the release into every answer."""

    def __init__(self, app: ASGIApp, *, release: str) -> None:
        self._app = app
        self._header = (b"x-release", release.encode("latin-1", "replace"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], self._header]
            await send(message)

        await self._app(scope, receive, signed)


def create() -> FastAPI:
    """The application; raises ValueError with what is missing. `python -m knowledge_base` runs it."""
    settings = read()
    app = FastAPI(title="Knowledge base", lifespan=lifespan, docs_url="/api/docs", openapi_url="/api/openapi.json")
    app.state.settings = settings
    app.add_middleware(Signed, release=settings.release)
    app.add_exception_handler(RequestValidationError, refused)
    for fault in FAULTS:
        app.add_exception_handler(fault, away)
    app.get("/healthz")(live)
    app.get("/readyz")(ready)
    app.get("/api/about")(about)
    app.get("/api/conversations")(conversations)
    app.get("/api/conversations/{conversation}")(conversation)
    app.delete("/api/conversations/{conversation}")(forget)
    app.post("/api/conversations/{conversation}/questions", status_code=202)(ask)
    app.get("/api/answers/{question}/events")(answer)
    app.post("/api/answers/{question}/again", status_code=202)(again)
    app.post("/api/answers/{question}/feedback", status_code=202)(judge)
    return app
