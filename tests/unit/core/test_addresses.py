"""Listening addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.addresses import at_node, is_loopback, join_address, redis_remedy, split_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000),
        ("localhost:0", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
        ("[::]:80", "::", 80),
        ("api.example.com:443", "api.example.com", 443),
    ],
)
def test_host_and_port(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)
    assert split_address(join_address(host, port)) == (host, port)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("8000", "names no port"),
        ("localhost", "names no port"),
        ("localhost:", "names no port"),
        (":8000", "names no host"),
        ("localhost:http", "not a port"),
        ("localhost:65536", "not a port"),
        ("localhost:-1", "not a port"),
        ("::1:8000", "in brackets"),
        ("[::1:8000", "in brackets"),
        ("[fe80::zz]:1", "not an IPv6 address"),
        ("999.1.1.1:1", "no host name and no IP address"),
        ("a b:1", "no host name and no IP address"),
        ("http://localhost:1", "in brackets"),
    ],
)
def test_a_bad_address_says_why(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        split_address(text)


def test_loopback() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost", "LOCALHOST."))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.7", "example.com", "localhost.example.com"))


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_ip_address_is_read_back(address: object, port: int) -> None:
    assert split_address(join_address(str(address), port)) == (str(address), port)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        host, port = split_address(text)
    except ValueError:
        return
    assert host
    assert 0 <= port <= 65535


@pytest.mark.parametrize(
    ("url", "host", "moved"),
    [
        ("redis://h:1/0", "10.0.0.7", "redis://10.0.0.7:9/0"),
        ("rediss://u:p%40@h:1/0?ssl_ca_certs=/a", "n", "rediss://u:p%40@n:9/0?ssl_ca_certs=/a"),
        ("redis://h", "", "redis://h:9"),
        ("redis://h", "fd00::1", "redis://[fd00::1]:9"),
    ],
)
def test_another_node_has_the_same_user_and_options(url: str, host: str, moved: str) -> None:
    assert at_node(url, host, 9) == moved


def test_sentinel_is_refused_with_a_way_out() -> None:
    assert "leads to the master" in redis_remedy("redis+sentinel://h/main")
    assert "redis://host:6379/0" in redis_remedy("nowhere")
