"""Whose address counts: nobody can choose the one that is counted for him."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.gateway.limits.address import HOPS, Addresses

TRUSTED = Addresses(("10.0.0.0/8", "fd00::/8"))


def of(peer: str, told: str | None, addresses: Addresses = TRUSTED) -> str:
    return addresses.of(peer, {} if told is None else {b"x-forwarded-for": told.encode("latin-1")})


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9, 10.2.2.2", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        ("fd00::1", "2001:db8:1:2::5", "2001:db8:1:2::/64"),
        ("10.0.0.1", "junk", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9, junk", "10.0.0.1"),
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("", None, ""),
    ],
)
def test_the_last_address_that_is_no_trusted_proxy(peer: str, told: str | None, client: str) -> None:
    assert of(peer, told) == client


def test_nobody_is_believed_unless_told_to() -> None:
    assert of("10.0.0.1", "198.51.100.9", Addresses(())) == "10.0.0.1"


@given(st.text(st.characters(max_codepoint=255)))
def test_what_a_client_writes_before_its_own_address_changes_nothing(text: str) -> None:
    assert of("10.0.0.1", f"{text},198.51.100.9") == "198.51.100.9"


def test_no_more_proxies_are_followed_than_anybody_has() -> None:
    proxies = ",".join(["10.0.0.2"] * (HOPS - 1))
    assert of("10.0.0.1", f"198.51.100.9,{proxies}") == "198.51.100.9"
    assert of("10.0.0.1", f"198.51.100.9,10.0.0.3,{proxies}") == "10.0.0.3"
