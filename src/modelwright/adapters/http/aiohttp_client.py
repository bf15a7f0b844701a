"""The Transport port over aiohttp, for calls off the hot path; it tunes nothing, and takes its bounds from the port."""

from __future__ import annotations

import asyncio
import functools
import io
import ssl
from collections.abc import Callable

import aiohttp

from modelwright.adapters.http.connection import HOP_BY_HOP, MAX_HEAD
from modelwright.adapters.http.dial import place_of, tls_context
from modelwright.core.errors.calls import Stopped
from modelwright.core.errors.providers import (
    ProviderError,
    ProviderTimeout,
    ProviderUnreachable,
    UpstreamStalled,
    UpstreamTruncated,
)
from modelwright.core.ports.http import Deadlines, Origin, UpstreamRequest

_NOT_ADDED = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})


class AiohttpClient:
    """One aiohttp session per origin, made at its first request.

    The first byte may take the connect time longer than its deadline says: aiohttp does not tell when it is connected.
    """

    def __init__(self, *, tls: Callable[[], ssl.SSLContext] = tls_context) -> None:
        """`tls` makes the context of all https connections; it is called once, at the first of them."""
        self._tls = functools.cache(tls)
        self._sessions: dict[Origin, aiohttp.ClientSession] = {}
        self._closed = False

    async def send(self, request: UpstreamRequest, deadlines: Deadlines) -> AiohttpResponse:
        place = place_of(request.origin)
        if self._closed:
            raise Stopped("the client of upstreams is closed", hint="send again: another process answers", place=place)
        session = self._sessions.get(request.origin) or self._open(request.origin)
        connected = aiohttp.ClientTimeout(total=None, connect=deadlines.connect)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        url = _url(request.origin) + request.target
        try:
            async with asyncio.timeout(deadlines.connect + deadlines.first_byte):
                answer = await session.request(
                    request.method,
                    url,
                    data=io.BytesIO(request.body) if request.body else None,
                    headers=headers,
                    allow_redirects=False,
                    timeout=connected,
                )
        except TimeoutError as error:
            raise _late(error, deadlines, place) from None
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise _unreachable(error, place) from None
        except (aiohttp.ClientError, ValueError) as error:
            reason = f"the answer is not valid HTTP/1.1: {type(error).__name__}"
            raise ProviderError(reason, hint="is this the right port?", place=place) from None
        return AiohttpResponse(answer, idle=deadlines.idle, place=place)

    async def close(self) -> None:
        """Close every connection; later requests raise Stopped."""
        self._closed = True
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _open(self, origin: Origin) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if origin.scheme == "unix":
            connector = aiohttp.UnixConnector(origin.host, limit=0)
        else:
            connector = aiohttp.TCPConnector(
                limit=0, ssl=self._tls() if origin.scheme == "https" else False, ttl_dns_cache=0
            )
        session = self._sessions[origin] = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NOT_ADDED,
            max_line_size=MAX_HEAD,
            max_field_size=MAX_HEAD,
        )
        return session


class AiohttpResponse:
    """The port's UpstreamResponse."""

    def __init__(self, answer: aiohttp.ClientResponse, *, idle: float, place: str) -> None:
        self.status = answer.status
        lower = ((name.lower(), value) for name, value in answer.raw_headers)
        self.headers = [(name, value) for name, value in lower if name not in HOP_BY_HOP]
        self._answer = answer
        self._idle = idle
        self._place = place

    async def read(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in self:
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                self.close()
                raise ProviderError(
                    f"the answer is longer than {limit} bytes",
                    hint="ask for less, or raise the limit of an answer's size",
                    place=self._place,
                )
        return b"".join(pieces)

    def chunks(self) -> AiohttpResponse:
        return self

    def close(self) -> None:
        if not self._answer.content.is_eof():
            self._answer.close()

    def __aiter__(self) -> AiohttpResponse:
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle):
                piece = await self._answer.content.readany()
        except TimeoutError:
            self.close()
            silence = f"the answer stopped for more than {self._idle:g} s"
            raise UpstreamStalled(silence, hint="raise timeout.idle if that is normal", place=self._place) from None
        except (aiohttp.ClientError, OSError):
            self._answer.close()
            raise UpstreamTruncated("the answer ended before its end", place=self._place) from None
        except asyncio.CancelledError:
            self.close()
            raise
        if not piece:
            raise StopAsyncIteration
        return piece


def _url(origin: Origin) -> str:
    return "http://localhost" if origin.scheme == "unix" else place_of(origin)


def _late(error: TimeoutError, deadlines: Deadlines, place: str) -> ProviderTimeout:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        reason = f"no connection within {deadlines.connect:g} s"
        return ProviderTimeout(reason, hint="see whether the upstream is reachable from here", place=place)
    reason = f"no answer within {deadlines.first_byte:g} s"
    return ProviderTimeout(reason, hint="raise timeout.first_token if that is normal", place=place)


def _unreachable(error: Exception, place: str) -> ProviderUnreachable:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        hint = "name the authority's PEM file in MODELWRIGHT_CA_BUNDLE"
        return ProviderUnreachable("its certificate is not trusted", hint=hint, place=place)
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or type(error.os_error).__name__
        return ProviderUnreachable(f"no connection: {reason}", hint="is the upstream running?", place=place)
    return ProviderUnreachable(
        "the connection was closed before any answer", hint="see whether the upstream crashed or restarts", place=place
    )
