"""The gRPC door: every call of the V2 service becomes one request over REST to a gateway worker, and its answer back.

Keys, limits, routing and the ledger are the worker's business; here are messages, metadata, deadlines and streams. When
a client leaves or its deadline has passed, grpc cancels the call's coroutine, and that closes the request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
import grpc.aio
import msgspec

from modelwright.adapters.grpc.messages import SERVICE, message, of_json, read
from modelwright.adapters.grpc.metadata import client_of, read_metadata, write_metadata
from modelwright.adapters.grpc.questions import Question, parameter_value, read_question
from modelwright.adapters.grpc.replies import read_refusal, write_answer, write_error, write_piece
from modelwright.adapters.grpc.status import code_of, code_of_error
from modelwright.core.errors.calls import CallError, Malformed, Overloaded, UnknownEndpoint
from modelwright.core.ports.http import Headers, UpstreamResponse
from modelwright.core.wire.v2 import BINARY_HEADER, NAME, error_text

AHEAD = 16
"""Requests of one stream that are under way at once."""
UPLOAD = 300.0
"""Seconds that a client may take to send a request whose call it has begun."""
MOST_DETAILS = 4096
"""Characters of an error's text: it travels as a header."""
_HARMLESS = "/v2/models/0/stats"
"""A question that only those with a key get through with, whatever the answer, and that starts nothing."""
_BYTES = (b"content-type", b"application/octet-stream")

_log = logging.getLogger(__name__)

Ask = Callable[..., Awaitable[UpstreamResponse]]
"""(method, target, headers, body) → the answer of a gateway worker; raises CallError."""
Context = grpc.aio.ServicerContext[Any, Any]
Answer = Callable[[bytes, Context], Awaitable[bytes]]
Counted = Callable[[str, str], None]
"""(method, name of the status) of a call that has ended."""


class Refused(Exception):
    """A worker's answer that is no success."""

    def __init__(self, status: int, text: str, headers: Headers) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class InferenceService(grpc.GenericRpcHandler):
    """Answers the methods of inference.GRPCInferenceService."""

    def __init__(self, ask: Ask, *, most_calls: int, most_answer: int, most_held: int, ended: Counted) -> None:
        """`most_calls` bounds the calls that are under way, those whose request has not come yet aside.

        `most_answer` bounds the bytes of one answer, `most_held` those of all requests that are under way.
        """
        self._ask = ask
        self._most_calls = most_calls
        self._most_answer = most_answer
        self._most_held = most_held
        self._ended = ended
        self.held = 0
        self.in_flight = 0
        self._draining = False
        self._taking: set[asyncio.Task[None]] = set()
        """Who reads the requests of each stream."""
        unary = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ServerMetadata": self._server,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._metadata,
            "ModelConfig": self._config,
            "ModelStatistics": self._statistics,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._changing("load"),
            "RepositoryModelUnload": self._changing("unload"),
            "ModelInfer": self._infer,
        }
        self._handlers: dict[str, Any] = {
            f"/{SERVICE}/{name}": grpc.stream_unary_rpc_method_handler(self._method(name, answer))
            for name, answer in unary.items()
        }
        self._handlers[f"/{SERVICE}/ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(self._stream)

    def service(self, handler_call_details: Any) -> Any:
        """Who answers a method; None for another service."""
        method: str = handler_call_details.method
        found = self._handlers.get(method)
        if found is None and method.startswith(f"/{SERVICE}/"):
            return grpc.unary_unary_rpc_method_handler(self._not_offered)
        return found

    def drain(self) -> None:
        """Read no further request of any stream: what has come is answered, then the stream ends."""
        self._draining = True
        for task in tuple(self._taking):
            task.cancel()

    # Methods

    async def _live(self, _data: bytes, _context: Context) -> bytes:
        return message("ServerLiveResponse")(live=True).SerializeToString()

    async def _ready(self, _data: bytes, context: Context) -> bytes:
        ready = await self._is_ready("/v2/health/ready", context)
        return message("ServerReadyResponse")(ready=ready).SerializeToString()

    async def _server(self, _data: bytes, context: Context) -> bytes:
        return await self._told("/v2", "ServerMetadataResponse", context)

    async def _model_ready(self, data: bytes, context: Context) -> bytes:
        asked = read(message("ModelReadyRequest"), data)
        ready = await self._is_ready(f"{_path(asked.name, asked.version)}/ready", context)
        return message("ModelReadyResponse")(ready=ready).SerializeToString()

    async def _metadata(self, data: bytes, context: Context) -> bytes:
        asked = read(message("ModelMetadataRequest"), data)
        return await self._told(_path(asked.name, asked.version), "ModelMetadataResponse", context)

    async def _config(self, data: bytes, context: Context) -> bytes:
        asked = read(message("ModelConfigRequest"), data)
        told = await self._json(f"{_path(asked.name, asked.version)}/config", context)
        return of_json(message("ModelConfigResponse"), {"config": told}).SerializeToString()

    async def _statistics(self, data: bytes, context: Context) -> bytes:
        asked = read(message("ModelStatisticsRequest"), data)
        place = f"{_path(asked.name, asked.version)}/stats" if asked.name else "/v2/models/stats"
        return await self._told(place, "ModelStatisticsResponse", context)

    async def _index(self, data: bytes, context: Context) -> bytes:
        asked = read(message("RepositoryIndexRequest"), data)
        found = await self._json("/v2/repository/index", context, {"ready": asked.ready})
        return of_json(message("RepositoryIndexResponse"), {"models": found}).SerializeToString()

    def _changing(self, verb: str) -> Answer:
        """A method that has a model loaded or unloaded."""
        method = f"RepositoryModel{verb.capitalize()}"

        async def change(data: bytes, context: Context) -> bytes:
            asked = read(message(f"{method}Request"), data)
            place = _path(asked.model_name, "").removeprefix("/v2/models/")
            parameters = {name: parameter_value(value) for name, value in asked.parameters.items()}
            await self._json(f"/v2/repository/models/{place}/{verb}", context, {"parameters": parameters})
            return message(f"{method}Response")().SerializeToString()

        return change

    async def _infer(self, data: bytes, context: Context) -> bytes:
        return await self._inferred(read_question(data), context, final=False)

    async def _stream(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        """Answers come in the order of their requests; a few of these are under way at once."""
        answers: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue(AHEAD)
        tasks: set[asyncio.Task[bytes]] = set()

        async def take() -> None:
            try:
                await self._admit(context)
                async for data in requests:
                    task = asyncio.create_task(self._answered(data, context))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    await answers.put(task)
            finally:
                await answers.put(None)

        self.in_flight += 1
        taking = asyncio.create_task(take())
        self._taking.add(taking)
        code = "CANCELLED"
        try:
            while (task := await answers.get()) is not None:
                yield await task
            if self._draining:
                code = "UNAVAILABLE"
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the server stops (open the stream again)")
            await taking
            code = "OK"
        except Refused as refusal:
            status = code_of(refusal.status)
            code = status.name
            write_metadata(context, refusal.headers)
            await context.abort(status, refusal.text[:MOST_DETAILS])
        except CallError as error:
            status = code_of_error(error)
            code = status.name
            await context.abort(status, error_text(error)[:MOST_DETAILS])
        finally:
            self.in_flight -= 1
            self._ended("ModelStreamInfer", code)
            self._taking.discard(taking)
            taking.cancel()
            for task in tuple(tasks):
                task.cancel()

    async def _admit(self, context: Context) -> None:
        """Let a stream in whose requests may come late, or never: only with a key, and while there is a place."""
        if self.in_flight > self._most_calls:
            raise self._too_many()
        try:
            status, body, headers = await self._get(_HARMLESS, context)
        except CallError:
            raise
        except Exception as error:
            _log.exception("a stream was not let in")
            raise Refused(500, "an internal error (see the log)", ()) from error
        if status not in {200, 403, 404}:  # who may not ask for this one, or learns that there is none, has a key
            raise Refused(status, read_refusal(body), headers)

    async def _not_offered(self, _data: bytes, context: Context) -> bytes:
        await context.abort(
            grpc.StatusCode.UNIMPLEMENTED, "this method is not offered here (see the V2 guide for those that are)"
        )

    # What they have in common

    def _method(self, name: str, answer: Answer) -> Any:
        """A method that counts, and whose errors are statuses.

        It reads its request itself: one that never comes takes no place, and is not waited for without end.
        """

        async def method(_requests: Any, context: Context) -> bytes:
            data = await self._received(context)
            self.in_flight += 1
            self.held += len(data)
            code = grpc.StatusCode.CANCELLED
            try:
                if self.in_flight > self._most_calls:
                    raise self._too_many()
                if self.held > self._most_held:
                    raise self._too_much()
                told = await answer(data, context)
            except Refused as refusal:
                code = code_of(refusal.status)
                write_metadata(context, refusal.headers)
                await context.abort(code, refusal.text[:MOST_DETAILS])
            except CallError as error:
                code = code_of_error(error)
                await context.abort(code, error_text(error)[:MOST_DETAILS])
            except Exception:  # noqa: BLE001 - one request's defect is its own
                _log.exception("%s was not answered", name)
                code = grpc.StatusCode.INTERNAL
                await context.abort(code, "an internal error (see the log)")
            else:
                code = grpc.StatusCode.OK
                return told
            finally:
                self.held -= len(data)
                self.in_flight -= 1
                self._ended(name, code.name)

        return method

    async def _received(self, context: Context) -> bytes:
        try:
            async with asyncio.timeout(UPLOAD):
                data: object = await context.read()
        except TimeoutError:
            problem = f"the request did not arrive within {UPLOAD:g} s (send it faster, or less)"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        if not isinstance(data, bytes):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call holds no request (send one message)")
        return data

    async def _answered(self, data: bytes, context: Context) -> bytes:
        """One answer of a stream, which an error is, too."""
        self.held += len(data)
        request = ""
        try:
            if self.held > self._most_held:
                raise self._too_much()
            question = read_question(data)
            request = question.id
            return write_piece(await self._inferred(question, context, final=True))
        except Refused as refusal:
            return write_error(refusal.text, request)
        except CallError as error:
            return write_error(error_text(error), request)
        except Exception:  # noqa: BLE001 - likewise
            _log.exception("a request of a stream was not answered")
            return write_error("an internal error (see the log)", request)
        finally:
            self.held -= len(data)

    async def _inferred(self, question: Question, context: Context, *, final: bool) -> bytes:
        target = f"{_path(question.model, question.version)}/infer"
        headers = [*self._headers(context), _BYTES, (BINARY_HEADER, b"%d" % len(question.head))]
        response = await self._ask("POST", target, headers=tuple(headers), body=question.body)
        body = await response.read(self._most_answer)
        found = response.headers
        if response.status != 200:
            raise Refused(response.status, read_refusal(body), found)
        head = next((int(value) for name, value in found if name == BINARY_HEADER), len(body))
        if not final:
            write_metadata(context, found)
        return write_answer(body, head, final=final)

    async def _told(self, target: str, kind: str, context: Context) -> bytes:
        """The JSON at a path, as a message."""
        return of_json(message(kind), await self._json(target, context)).SerializeToString()

    async def _json(self, target: str, context: Context, wish: Mapping[str, Any] | None = None) -> Any:
        """What is told there, to who asks or to who has this wish."""
        status, body, headers = await self._get(target, context, wish)
        if status != 200:
            raise Refused(status, read_refusal(body), headers)
        write_metadata(context, headers)
        return msgspec.json.decode(body)

    async def _is_ready(self, target: str, context: Context) -> bool:
        """A model that nobody knows is not ready; who may not ask is told so."""
        status, body, headers = await self._get(target, context)
        if status not in {200, 404, 503}:
            raise Refused(status, read_refusal(body), headers)
        return status == 200

    async def _get(
        self, target: str, context: Context, wish: Mapping[str, Any] | None = None
    ) -> tuple[int, bytes, Headers]:
        body = b"" if wish is None else msgspec.json.encode(wish)
        method = "GET" if wish is None else "POST"
        response = await self._ask(method, target, headers=tuple(self._headers(context)), body=body)
        return response.status, await response.read(self._most_answer), response.headers

    def _headers(self, context: Context) -> Headers:
        return read_metadata(context.invocation_metadata() or (), client=client_of(context.peer()))

    def _too_many(self) -> Overloaded:
        return Overloaded(
            f"the gRPC door holds {self._most_calls} calls, its maximum", hint="send again later", retry_after=1.0
        )

    def _too_much(self) -> Overloaded:
        return Overloaded(
            f"the gRPC door holds {self.held} bytes of requests, near its maximum of {self._most_held}",
            hint="send again later",
            retry_after=1.0,
        )


def _path(model: str, version: str) -> str:
    """Where a model is asked over REST; raises Malformed, or UnknownEndpoint for what no model can be called."""
    if not model:
        raise Malformed("the request names no model", hint="set the name of an endpoint, see GET /v1/models")
    for name in (model, version):
        if name and NAME.fullmatch(name) is None:
            raise UnknownEndpoint(f"endpoint {name[:80]!r} is not served", hint="see GET /v1/models for those that are")
    return f"/v2/models/{model}/versions/{version}" if version else f"/v2/models/{model}"
