"""Downloads one file over HTTPS: redirects followed, a part that is there already continued, bounds kept.

Which addresses may be connected to is the transport's business, so that it holds for every redirect, too; what the
bytes have to be is the caller's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from modelwright.core.errors.artifacts import ArtifactError, ArtifactMissing, SourceUnavailable
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest, UpstreamResponse

HOPS = 5
"""Redirects that are followed."""
TRIES = 4
"""Times that it is begun or continued, when the connection breaks or the server has too much to do."""
SLOWEST = (1 << 20, 300.0)
"""Bytes that have to come, at least, in so many seconds: a byte now and then must not keep a start waiting."""
_MOVED = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_BUSY = {429, 500, 502, 503, 504}
_SPAN = re.compile(rb"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
_AS_IT_IS = "!$%&'()*+,;=:@/?~[]"


class Progress(msgspec.Struct, frozen=True):
    """Who is told; each may raise to end it."""

    whole: Callable[[int, int], None]
    """How many bytes it will be in all, once that is known, and how many of them are here."""
    got: Callable[[int], None]
    """How many bytes are here."""


class Came(msgspec.Struct):
    """How a file came, for who finds that it is another one than was meant."""

    pieces: int = 0
    """Answers of which it was put together, what was there before included."""
    encoding: str = ""
    """In which it was sent, though none was asked for."""
    mark: bytes = b""
    """The server's word for this content, which is another one when the content is."""


async def download(
    url: str,
    part: Path,
    *,
    transport: Transport,
    progress: Progress,
    deadlines: Deadlines,
    within: float,
    slowest: tuple[int, float] = SLOWEST,
) -> Came:
    """Write the content of an https URL to `part`, continuing what it holds; `within` seconds bound all of it.

    What came before a failure stays in `part`. Raises SourceUnavailable for what may be mended by trying again,
    ArtifactError for what is not, and OSError when `part` cannot be written.
    """
    place = shown(url)
    came = Came(pieces=1 if _size(part) else 0)
    try:
        async with asyncio.timeout(within):
            for left in reversed(range(TRIES)):
                paced = _Paced(progress, slowest, place)
                try:
                    await _once(url, part, came, transport=transport, progress=paced, deadlines=deadlines)
                except (CallError, _Passing) as error:
                    if not left:
                        told = error if isinstance(error, CallError) else error.told
                        raise SourceUnavailable(told.message, hint=told.hint, place=place) from error
                    await asyncio.sleep(0.1 * (TRIES - left))
                else:
                    return came
    except TimeoutError:
        problem = f"it is not here after {within:g} s"
        raise SourceUnavailable(problem, hint="start again: what came is kept, and continued", place=place) from None
    raise AssertionError


def shown(url: str) -> str:
    """As messages may name it: without a query, which may hold a signature."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "no address"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class _Passing(Exception):
    """It may go better in a moment."""

    def __init__(self, told: SourceUnavailable) -> None:
        super().__init__(told)
        self.told = told


class _Paced:
    """Sees that enough comes."""

    def __init__(self, progress: Progress, slowest: tuple[int, float], place: str) -> None:
        self.whole = progress.whole
        self._got = progress.got
        self._least, self._span = slowest
        self._place = place
        self._since = time.monotonic()
        self._from = -1

    def got(self, size: int) -> None:
        self._got(size)
        now = time.monotonic()
        if self._from < 0:
            self._from = size
        if now - self._since < self._span:
            return
        if size - self._from < self._least:
            problem = f"only {size - self._from} bytes came in {now - self._since:.0f} s"
            raise SourceUnavailable(problem, hint="start again: what came is kept, and continued", place=self._place)
        self._since, self._from = now, size


async def _once(
    url: str, part: Path, came: Came, *, transport: Transport, progress: _Paced, deadlines: Deadlines
) -> None:
    start = _size(part)
    answer = await _asked(url, start, came.mark, transport=transport, deadlines=deadlines)
    try:
        if start and answer.status == 416 and _header(answer, b"content-range") == b"bytes */%d" % start:
            return  # all of it is here: the digest tells
        span = _SPAN.match(_header(answer, b"content-range"))
        is_next = answer.status == 206 and span is not None and int(span[1]) == start
        if start and (answer.status == 416 or (answer.status == 206 and not (is_next and _is_same(answer, came)))):
            _forget(part)
            raise _Passing(SourceUnavailable("it was changed while it was being fetched", hint="start again"))
        if is_next and span is not None:
            progress.whole(int(span[2]), start)
        elif answer.status == 200:
            start = came.pieces = 0
            length = _header(answer, b"content-length")
            if length.isdigit():
                progress.whole(int(length), 0)
        else:
            raise _refused(answer.status, url)
        came.pieces += 1
        came.mark = _header(answer, b"etag")
        came.encoding = _header(answer, b"content-encoding").decode("latin-1")
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            async for chunk in answer.chunks():
                file.write(chunk)
                progress.got(file.tell())
    finally:
        answer.close()


def _forget(part: Path) -> None:
    part.unlink()


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _is_same(answer: UpstreamResponse, came: Came) -> bool:
    return not came.mark or _header(answer, b"etag") in {b"", came.mark}


async def _asked(url: str, start: int, mark: bytes, *, transport: Transport, deadlines: Deadlines) -> UpstreamResponse:
    """The answer at the end of all redirects."""
    place = shown(url)
    for _ in range(HOPS + 1):
        try:
            answer = await transport.send(_request(url, start, mark), deadlines)
        except ValueError as error:
            raise ArtifactError(f"its address cannot be asked: {error}", hint="correct it", place=place) from None
        if answer.status not in _MOVED:
            return answer
        target = quote(_header(answer, b"location"), safe=_AS_IT_IS + "#")
        answer.close()
        url = _joined(url, target)
        if not target or not url.startswith("https://"):
            problem = f"it leads to {shown(url) if target else 'nowhere'}, which is not https"
            raise ArtifactError(problem, hint="name the place where the file is", place=place)
    raise ArtifactError(f"more than {HOPS} redirects", hint="name the place where the file is", place=place)


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return ""


def _request(url: str, start: int, mark: bytes) -> UpstreamRequest:
    """Raises ValueError for what is no address."""
    parts = urlsplit(url)
    origin = Origin(scheme="https", host=parts.hostname or "", port=parts.port or 443)
    span = ((b"range", b"bytes=%d-" % start),) if start else ()
    same = ((b"if-range", mark),) if start and mark.startswith(b'"') else ()
    return UpstreamRequest(
        origin=origin,
        method="GET",
        target=quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_AS_IT_IS),
        headers=(
            (b"accept", b"*/*"),
            (b"accept-encoding", b"identity"),
            (b"user-agent", b"modelwright"),
            *span,
            *same,
        ),
    )


def _header(answer: UpstreamResponse, name: bytes) -> bytes:
    return next((value for known, value in answer.headers if known == name), b"")


def _refused(status: int, url: str) -> ModelwrightError | _Passing:
    if status in _GONE:
        return ArtifactMissing(f"it answered {status}: the file is not there", hint="see the address", place=shown(url))
    if status in _BUSY:
        return _Passing(SourceUnavailable(f"it answered {status}", hint="try again"))
    hint = "see whether it may be read without logging in" if status in {401, 403} else "try again"
    return SourceUnavailable(f"it answered {status}", hint=hint, place=shown(url))
