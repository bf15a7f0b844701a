"""A request is recognised without a parser only where the parser would see the same one request."""

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelwright.adapters.http.brief import whole_post

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n"
PIECES = (
    b"POST /v1/x HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n",
    b"POST /v1/x HTTP/1.0\r\n",
    b"host: t\r\n",
    b"Content-Length: 2\r\n",
    b"content-length:2\r\n",
    b"content-length: 3\r\n",
    b"content-length : 2\r\n",
    b"transfer-encoding: chunked\r\n",
    b"expect: 100-continue\r\n",
    b"connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"x: y\n",
    b" folded\r\n",
    b"x-request-id: abc\r\n",
    b"\r\n",
    b"hi",
    b"\0",
)


class Parser:
    """What httptools makes of bytes."""

    def __init__(self, data: bytes) -> None:
        self.whole = 0
        self.rest = False
        self.url = b""
        parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.rest = True
        self.lasts = bool(self.whole) and parser.should_keep_alive()

    def on_message_begin(self) -> None:
        self.rest = True

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_message_complete(self) -> None:
        self.whole += 1
        self.rest = False


@given(st.lists(st.sampled_from(PIECES), max_size=9).map(b"".join))
@example(HEAD + b"\r\nhi")
@example(HEAD + b"Connection: keep-alive\r\n\r\nhi")
def test_what_is_recognised_is_one_whole_request(data: bytes) -> None:
    found = whole_post(data)
    if found is not None:
        parser = Parser(data)
        assert (parser.whole, parser.rest, parser.lasts) == (1, False, True)
        assert parser.url.decode() == found[0]


def test_what_clients_usually_send_is_recognised() -> None:
    assert whole_post(HEAD + b"Connection: keep-alive\r\nX-Request-Id: abc\r\n\r\nhi") == (
        "/v1/chat/completions",
        b"abc",
    )
    assert whole_post(HEAD + b"\r\nhi") == ("/v1/chat/completions", b"")


@pytest.mark.parametrize(
    "rest", [b"\r\nh", b"\r\nhip", b"Content-Length: 2\r\n\r\nhi", b"Expect: 100-continue\r\n\r\nhi", b""]
)
def test_what_is_not_one_whole_request_is_left_to_the_parser(rest: bytes) -> None:
    assert whole_post(HEAD + rest) is None
