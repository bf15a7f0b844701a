"""Signatures against the example of the standard's own page, and which addresses are public."""

import base64
from ipaddress import ip_network

import pytest

from modelwright.core.tasks.signature import is_allowed, may_be_told, read_secret, signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1",
    "2002:7f00:1::", "no address", "fec0::1", "::127.0.0.1", "::ffff:0:7f00:1", "64:ff9b:1::a00:1",
    "5f00::1", "3fff::1",
]  # fmt: skip


def test_the_example_of_standard_webhooks() -> None:
    made = signatures(
        [read_secret(SECRET)],
        message="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_secret_signs() -> None:
    keys = [read_secret(SECRET), bytes(24)]
    both = signatures(keys, message="a", timestamp=1, body=b"b").split(" ")
    assert both == [signatures([key], message="a", timestamp=1, body=b"b") for key in keys]


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_!!", SECRET.removeprefix("whsec_"), "whsec_" + base64.b64encode(bytes(65)).decode()]
)
def test_what_is_no_secret_is_not_told(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_") as refused:
        read_secret(text)
    assert not text or text not in str(refused.value).replace("whsec_ and", "")


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not may_be_told(address, [])


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public(address: str) -> None:
    assert may_be_told(address, [])
    assert not is_allowed(address, [])


def test_a_network_that_is_named_is_allowed_and_no_other() -> None:
    named = [ip_network("10.0.0.0/8"), ip_network("fc00::/7")]
    assert may_be_told("10.1.2.3", named)
    assert is_allowed("fc00::5", named)
    assert not may_be_told("192.168.1.1", named)
    assert not is_allowed("nothing", named)
