"""A stream cut anywhere is the same stream: joined, the events are the bytes that came."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.wire.sse import EventSplitter, event_bytes, event_data

ENDS = st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"])
LINES = st.sampled_from([b"data: {}", b"data:x", b": comment", b"event: e", b"id: 7", "data: 世".encode()])
EVENTS = st.builds(lambda lines, end: end[: len(end) // 2].join(lines) + end, st.lists(LINES, min_size=1), ENDS)


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


def feed(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = EventSplitter()
    return [event for chunk in chunks for event in splitter.push(chunk)], splitter.rest()


@given(st.lists(EVENTS), st.binary(max_size=8), st.lists(st.integers(0, 10_000), max_size=12))
def test_joined_the_events_are_what_came(events: list[bytes], tail: bytes, cuts: list[int]) -> None:
    data = b"".join(events) + tail
    found, rest = feed(split_at(data, cuts))
    assert b"".join(found) + rest == data


@given(st.lists(EVENTS, min_size=1), st.lists(st.integers(0, 10_000), max_size=12))
def test_where_it_is_cut_makes_no_difference(events: list[bytes], cuts: list[int]) -> None:
    data = b"".join(events) + b": end\n\n"  # a last CR may be half of a CRLF
    assert feed(split_at(data, cuts)) == feed([data])


@given(st.lists(st.binary(max_size=20).filter(lambda data: not set(data) & set(b"\r\n")), min_size=1))
def test_what_is_written_is_read_back(payloads: list[bytes]) -> None:
    found, rest = feed([b"".join(map(event_bytes, payloads))])
    assert [event_data(event) for event in found] == payloads
    assert rest == b""


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data:a\r\n\r\n", b"a"),
        (b"data: a\r\r", b"a"),
        (b"event: x\ndata: a\nid: 1\n\n", b"a"),
        (b": comment\n\n", b""),
        (b"data:  two blanks\n\n", b" two blanks"),
    ],
)
def test_the_data_of_an_event(event: bytes, data: bytes) -> None:
    assert event_data(event) == data


def test_an_event_without_end_is_bounded() -> None:
    splitter = EventSplitter(limit=100)
    assert splitter.push(b"x" * 100) == []
    with pytest.raises(ValueError, match="longer than 100 bytes"):
        splitter.push(b"x")


def test_a_mark_of_byte_order_hides_no_event() -> None:
    assert event_data(b"\xef\xbb\xbfdata: x\n\n") == event_data(b"\xef\xbb\xbfdata:x\r\n\r\n") == b"x"
