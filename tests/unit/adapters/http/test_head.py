"""The bytes of a request's head."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.http.head import KEPT, RequestHeads
from modelwright.core.ports.http import Origin, UpstreamRequest

LOCAL = Origin(scheme="http", host="127.0.0.1", port=8080)


def encode(method: str = "POST", target: str = "/v1", **fields: object) -> bytes:
    request = {"origin": LOCAL, "method": method, "target": target, **fields}
    return RequestHeads().encode(UpstreamRequest(**request))  # pyright: ignore[reportArgumentType]


def test_head_of_a_post() -> None:
    headers = ((b"authorization", b"Bearer k"), (b"content-type", b"application/json"))
    assert encode(headers=headers, body=b"{}") == (
        b"POST /v1 HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nauthorization: Bearer k\r\n"
        b"content-type: application/json\r\ncontent-length: 2\r\n\r\n"
    )


@pytest.mark.parametrize(("method", "ends"), [("GET", b"8080\r\n\r\n"), ("POST", b"content-length: 0\r\n\r\n")])
def test_length_is_said_where_a_body_is_usual(method: str, ends: bytes) -> None:
    assert encode(method).endswith(ends)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin(scheme="http", host="api.example.com", port=80), b"api.example.com"),
        (Origin(scheme="https", host="api.example.com", port=443), b"api.example.com"),
        (Origin(scheme="https", host="api.example.com", port=8443), b"api.example.com:8443"),
        (Origin(scheme="http", host="::1", port=80), b"[::1]"),
        (Origin(scheme="http", host="::1", port=8080), b"[::1]:8080"),
        (Origin(scheme="https", host="bücher.example", port=443), b"xn--bcher-kva.example"),
        (Origin(scheme="unix", host="/run/some.sock"), b"localhost"),
    ],
    ids=str,
)
def test_host(origin: Origin, host: bytes) -> None:
    assert b"\r\nhost: " + host + b"\r\n" in encode(origin=origin)


def test_framing_headers_of_the_caller_are_left_out() -> None:
    theirs = ((b"host", b"evil"), (b"content-length", b"99"), (b"transfer-encoding", b"chunked"), (b"connection", b"x"))
    assert encode(headers=theirs, body=b"{}") == encode(body=b"{}")


@pytest.mark.parametrize(
    ("headers", "target", "method"),
    [
        (((b"x", b"a\r\nb: c"),), "/", "GET"),
        (((b"x", b"a\nb"),), "/", "GET"),
        (((b"x", b"a\rb"),), "/", "GET"),
        (((b"x", b"a\0b"),), "/", "GET"),
        (((b"x\r\ny", b"a"),), "/", "GET"),
        ((), "/a b", "GET"),
        ((), "/a\r\nx: y", "GET"),
        ((), "/ä", "GET"),
        ((), "http://elsewhere/", "GET"),
        ((), "", "GET"),
        ((), "/", "GET / HTTP/1.1\r\nx:"),
    ],
)
def test_what_would_break_the_lines_is_refused(
    headers: tuple[tuple[bytes, bytes], ...], target: str, method: str
) -> None:
    with pytest.raises(ValueError, match=r"header|target|method"):
        encode(method, target, headers=headers)


@given(
    st.lists(st.tuples(st.sampled_from([b"x-a", b"x-b"]), st.binary(max_size=20)), max_size=5), st.binary(max_size=50)
)
def test_head_is_as_many_lines_as_headers_or_none_at_all(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    try:
        head = encode(headers=tuple(headers), body=body)
    except ValueError:
        assert any(set(b"\r\n\0") & set(value) for _, value in headers)
        return
    lines = head.split(b"\r\n")
    assert lines[2:-3] == [name + b": " + value for name, value in headers]
    assert lines[-3:] == [b"content-length: %d" % len(body), b"", b""]


def test_first_lines_are_forgotten_before_they_are_too_many() -> None:
    heads = RequestHeads()
    for number in range(3 * KEPT):
        heads.encode(UpstreamRequest(origin=LOCAL, method="GET", target=f"/{number}"))
        assert heads.kept <= KEPT
