import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.ids import uuid7


def test_is_the_example_of_rfc_9562() -> None:
    random = (0xCC3).to_bytes(2, "big") + (0x18C4DC0C0C07398F).to_bytes(8, "big")
    assert uuid7(0x017F22E279B0, random) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=16))
def test_is_a_uuid_of_version_7_that_keeps_its_time(milliseconds: int, random: bytes) -> None:
    made = uuid.UUID(uuid7(milliseconds, random))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert str(made) == uuid7(milliseconds, random)
    assert made.int >> 80 == milliseconds


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_sorts_by_time(milliseconds: int, first: bytes, second: bytes) -> None:
    assert uuid7(milliseconds, first) < uuid7(milliseconds + 1, second)


def test_needs_ten_random_bytes() -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        uuid7(0, b"123456789")
