"""Server-sent events as bytes: cut a stream into whole events at any split point, and read an event's data."""

import re
from collections.abc import Iterator

_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r")
DONE = b"[DONE]"
FAILED = b"event: error\n"
"""Before the last event of a model's pieces that failed; its data is the error's envelope."""
MACHINE = b"event: machine\n"
"""Before an event of our own workers' for the gateway alone: microseconds of the model's time."""
EVENTS = b"text/event-stream"
LINES = (b"application/jsonl", b"application/x-ndjson", b"application/x-jsonlines")
"""Names of JSON in lines, another form of the same."""
_BOM = b"\xef\xbb\xbf"
"""May stand before the first event."""


class EventSplitter:
    """Collects bytes and gives back whole events with their own line ends, so that joined they equal the input.

    `limit` bounds the bytes held for an unfinished event (ValueError beyond it).
    """

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int = 4 << 20) -> None:
        self._rest = b""
        self._limit = limit

    def push(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes."""
        data = self._rest + chunk if self._rest else chunk
        if data.endswith(b"\n\n") and b"\r" not in data:
            self._rest = b""
            return [event + b"\n\n" for event in data[:-2].split(b"\n\n")] if data.count(b"\n\n") > 1 else [data]
        events: list[bytes] = []
        start = 0
        for match in _BOUNDARY.finditer(data, max(0, len(data) - len(chunk) - 3)):  # what came before held none
            if match.end() == len(data) and data.endswith(b"\r\r"):
                break  # the second CR may be half of a CRLF
            events.append(data[start : match.end()])
            start = match.end()
        self._rest = data[start:]
        if len(self._rest) > self._limit:
            raise ValueError(f"an event is longer than {self._limit} bytes")
        return events

    def rest(self) -> bytes:
        """What came after the last whole event."""
        return self._rest


def event_data(event: bytes) -> bytes:
    """The joined `data:` lines of one event; empty for comments and other fields."""
    if event.startswith(b"data: ") and event.endswith(b"\n\n") and b"\n" not in event[6:-2]:
        return event[6:-2].rstrip(b"\r")
    return b"\n".join(_data_lines(event))


def event_bytes(data: bytes) -> bytes:
    """One event of one data line."""
    return b"data: " + data + b"\n\n"


def wants_stream(accept: bytes) -> bool:
    """Whether a client asks for a model's pieces as they come."""
    return EVENTS in accept or wants_lines(accept)


def wants_lines(accept: bytes) -> bool:
    """Whether it wants a line of JSON for each piece."""
    return any(name in accept for name in LINES)


def _data_lines(event: bytes) -> Iterator[bytes]:
    for line in event.removeprefix(_BOM).splitlines():
        if line.startswith(b"data:"):
            yield line[5:].removeprefix(b" ")
