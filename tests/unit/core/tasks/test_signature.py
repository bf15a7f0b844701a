"""Signatures against the example of the standard's own page."""

import base64

import pytest

from modelwright.core.tasks.signature import read_secret, signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


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
