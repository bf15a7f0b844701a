"""What an environment makes up for itself is the same at every look, and nobody can make it without the salt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.made import api_key, content_digest, password, secret_digest
from modelwright.core.keys import masked

SALTS = st.text(min_size=1, max_size=64)


@given(salt=SALTS, other=SALTS, name=st.text(max_size=20))
def test_it_is_the_same_for_the_same_salt_alone(salt: str, other: str, name: str) -> None:
    assert password(salt, name) == password(salt, name)
    assert (password(salt, name) == password(other, name)) == (salt == other)
    assert (api_key(salt, name) == api_key(other, name)) == (salt == other)
    assert (secret_digest(salt, b"pin") == secret_digest(other, b"pin")) == (salt == other)


@given(salt=SALTS, names=st.lists(st.text(max_size=20), min_size=2, max_size=6, unique=True))
def test_no_two_are_the_same(salt: str, names: list[str]) -> None:
    made = [make(salt, name) for make in (password, api_key) for name in names]
    assert len({*made}) == len(made)


def test_a_key_has_the_form_of_every_other() -> None:
    assert masked(api_key("salt", "api")).endswith("-***")
    assert masked(api_key("salt", "api")) != "***"


def test_a_digest_of_a_secret_is_not_that_of_its_content() -> None:
    assert secret_digest("salt", b"1234") != content_digest(b"1234")


@pytest.mark.parametrize("make", [password, api_key])
def test_without_a_salt_nothing_is_made(make: object) -> None:
    with pytest.raises(ValueError, match="salt"):
        make("", "api")  # type: ignore[operator]
