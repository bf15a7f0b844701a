import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.gateway.cache.wishes import Wishes, read_wishes


@pytest.mark.parametrize(
    ("header", "wishes"),
    [
        (None, Wishes()),
        (b"", Wishes()),
        (b"no-store", Wishes(no_store=True)),
        (b"No-Cache", Wishes(no_cache=True)),
        (b"max-age=60", Wishes(max_age=60.0)),
        (b' max-age = "60" , no-cache', Wishes(no_cache=True, max_age=60.0)),
        (b"max-age=60, max-age=5", Wishes(max_age=5.0)),
        (b"max-age=0", Wishes(max_age=0.0)),
        (b"max-age=, max-age=-1, max-age=1.5, max-age=x", Wishes()),
        (b"max-stale=9, private, only-if-cached", Wishes()),
    ],
)
def test_it_says_what_the_client_wants(header: bytes | None, wishes: Wishes) -> None:
    assert read_wishes(header) == wishes


@given(st.binary(max_size=60))
def test_nothing_that_a_client_sends_breaks_it(header: bytes) -> None:
    assert 0 <= read_wishes(header).max_age <= math.inf


def test_what_is_too_long_to_be_read_may_ask_for_anything() -> None:
    assert read_wishes(b"," * 60_000) == Wishes(no_store=True)
