"""Listening addresses."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.addresses import (
    at_node,
    is_allowed,
    is_loopback,
    join_address,
    may_be_reached,
    redis_remedy,
    split_address,
)

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "2002:7f00:1::", "no address", "fec0::1", "::127.0.0.1", "::ffff:0:7f00:1", "64:ff9b:1::a00:1",
    "5f00::1", "3fff::1",
]  # fmt: skip


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


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not may_be_reached(address, [])


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public(address: str) -> None:
    assert may_be_reached(address, [])
    assert not is_allowed(address, [])


def test_a_network_that_is_named_is_allowed_and_no_other() -> None:
    named = [ip_network("10.0.0.0/8"), ip_network("fc00::/7")]
    assert may_be_reached("10.1.2.3", named)
    assert is_allowed("fc00::5", named)
    assert not may_be_reached("192.168.1.1", named)
    assert not is_allowed("nothing", named)
