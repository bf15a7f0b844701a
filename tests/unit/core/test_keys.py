import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.keys import compose_key, key_digest, masked


@given(st.binary(min_size=29, max_size=29))
def test_a_key_carries_its_id_and_is_safe_to_paste(random: bytes) -> None:
    key_id, key = compose_key(random)
    assert re.fullmatch(r"mw-[a-z2-7]{8}-[a-z2-7]{39}", key)
    assert key.startswith(f"mw-{key_id}-")


@given(st.binary(min_size=29, max_size=29), st.binary(min_size=29, max_size=29))
def test_different_bytes_give_different_keys(first: bytes, second: bytes) -> None:
    assert (compose_key(first)[1] == compose_key(second)[1]) == (first == second)


@pytest.mark.parametrize("length", [0, 28, 30])
def test_needs_29_random_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="29 random bytes"):
        compose_key(bytes(length))


def test_the_digest_is_hmac_sha256_under_the_pepper() -> None:
    key = compose_key(bytes(range(29)))[1]
    assert key_digest(b"pepper", key) == hmac.new(b"pepper", key.encode(), hashlib.sha256).hexdigest()
    assert key_digest(b"pepper", key.encode()) == key_digest(b"pepper", key)
    assert key_digest(b"other", key) != key_digest(b"pepper", key)


def test_a_masked_key_shows_its_public_part_only() -> None:
    key_id, key = compose_key(bytes(range(29)))
    assert masked(key) == f"mw-{key_id}-***"


@pytest.mark.parametrize(
    "text", ["", "sk-secret", "mw-", "mw-longsecretwithoutid", "mw-longsecret-with-id", "MW-abcdefgh-x"]
)
def test_nothing_is_shown_of_a_text_that_is_no_key(text: str) -> None:
    assert masked(text) == "***"
