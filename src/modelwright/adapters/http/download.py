"""Downloads one file over HTTPS: redirects followed, a part that is there already continued, bounds kept.

Which addresses may be connected to is the transport's business, so that it holds for every redirect, too; what the
bytes have to be is the caller's.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import msgspec

from modelwright.core.errors.artifacts import ArtifactError, ArtifactMissing, SourceUnavailable
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest, UpstreamResponse

HOPS = 5
"""Redirects that are followed."""
TRIES = 4
"""Times that it is begun or continued, when the connection breaks."""
_MOVED = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_SPAN = re.compile(rb"bytes (\d+)-\d+/(\d+)")


class Progress(msgspec.Struct, frozen=True):
    """Who is told; each may raise to end it."""

    whole: Callable[[int], None]
    """How many bytes it will be in all, once that is known."""
    got: Callable[[int], None]
    """How many bytes are here."""


async def download(
    url: str, part: Path, *, transport: Transport, progress: Progress, deadlines: Deadlines, within: float
) -> None:
    """Write the content of an https URL to `part`, continuing what it holds; `within` seconds bound all of it.

    What came before a failure stays in `part`. Raises SourceUnavailable for what may be mended by trying again,
    ArtifactError for what is not, and OSError when `part` cannot be written.
    """
    place = shown(url)
    try:
        async with asyncio.timeout(within):
            for left in reversed(range(TRIES)):
                try:
                    await _once(url, part, transport=transport, progress=progress, deadlines=deadlines)
                except CallError as error:
                    if not left:
                        raise SourceUnavailable(error.message, hint=error.hint, place=place) from error
                    await asyncio.sleep(0.1 * (TRIES - left))
                else:
                    return
    except TimeoutError:
        problem = f"it is not here after {within:g} s"
        raise SourceUnavailable(problem, hint="start again: what came is kept, and continued", place=place) from None


def shown(url: str) -> str:
    """As messages may name it: without a query, which may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def _once(url: str, part: Path, *, transport: Transport, progress: Progress, deadlines: Deadlines) -> None:
    start = _size(part)
    answer = await _asked(url, start, transport=transport, deadlines=deadlines)
    try:
        span = _SPAN.match(_header(answer, b"content-range"))
        if answer.status == 416 and start:  # longer than the source, or just as long: the digest tells
            if _header(answer, b"content-range") == b"bytes */%d" % start:
                return
            _forget(part)
            raise SourceUnavailable("its length has changed", hint="start again", place=shown(url))
        if answer.status == 206 and span is not None and int(span[1]) == start:
            progress.whole(int(span[2]))
        elif answer.status == 200:
            start = 0
            length = _header(answer, b"content-length")
            if length.isdigit():
                progress.whole(int(length))
        else:
            raise _refused(answer.status, url)
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            async for chunk in answer.chunks():
                file.write(chunk)
                progress.got(file.tell())
    finally:
        answer.close()


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _forget(part: Path) -> None:
    part.unlink()


async def _asked(url: str, start: int, *, transport: Transport, deadlines: Deadlines) -> UpstreamResponse:
    """The answer at the end of all redirects."""
    place = shown(url)
    for _ in range(HOPS + 1):
        answer = await transport.send(_request(url, start), deadlines)
        if answer.status not in _MOVED:
            return answer
        target = _header(answer, b"location").decode("latin-1")
        answer.close()
        url = urljoin(url, target)
        if not target or urlsplit(url).scheme != "https":
            problem = f"it leads to {shown(url) if target else 'nowhere'}, which is not https"
            raise ArtifactError(problem, hint="name the place where the file is", place=place)
    raise ArtifactError(f"more than {HOPS} redirects", hint="name the place where the file is", place=place)


def _request(url: str, start: int) -> UpstreamRequest:
    parts = urlsplit(url)
    try:
        origin = Origin(scheme="https", host=parts.hostname or "", port=parts.port or 443)
    except ValueError:
        raise ArtifactError("its port is none", hint="correct the address", place=shown(url)) from None
    span = ((b"range", b"bytes=%d-" % start),) if start else ()
    return UpstreamRequest(
        origin=origin,
        method="GET",
        target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=((b"accept", b"*/*"), (b"accept-encoding", b"identity"), (b"user-agent", b"modelwright"), *span),
    )


def _header(answer: UpstreamResponse, name: bytes) -> bytes:
    return next((value for known, value in answer.headers if known == name), b"")


def _refused(status: int, url: str) -> ModelwrightError:
    if status in _GONE:
        return ArtifactMissing(f"it answered {status}: the file is not there", hint="see the address", place=shown(url))
    hint = "see whether it may be read without logging in" if status in {401, 403} else "try again"
    return SourceUnavailable(f"it answered {status}", hint=hint, place=shown(url))
