"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.quantities import BYTES, SECONDS, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("1.5m", 90.0), ("1h", 3600.0), ("1d", 86400.0), ("0s", 0.0)]
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512B", 512),
        ("1kB", 1000),
        ("2GB", 2 * 10**9),
        ("1KiB", 1024),
        ("32MiB", 32 << 20),
        ("1.5Gi", 3 << 29),
        ("2G", 2 * 10**9),
    ],
)
def test_a_size_is_bytes(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 s", "1S", "1ss", "1e3s", "１s", "\u0661s", "1s\n", "inf", ".5s"])
def test_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "MiB", "-1B", "1 MiB", "1mib", "0x10B", "1MiB\n", "nanB"])
def test_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|unit"):
        parse_size(text)


def test_a_number_without_unit_gets_a_proposal() -> None:
    with pytest.raises(ValueError, match="write 300s for seconds"):
        parse_duration("300")
    with pytest.raises(ValueError, match="write 32B for bytes"):
        parse_size("32")


@given(st.integers(min_value=0, max_value=10**9 - 1), st.sampled_from(sorted(SECONDS)))
def test_every_whole_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    assert parse_duration(f"{number}{unit}") == number * SECONDS[unit]


@given(st.integers(min_value=0, max_value=10**15 - 1), st.sampled_from(sorted(BYTES)))
def test_every_whole_size_is_exact(number: int, unit: str) -> None:
    assert parse_size(f"{number}{unit}") == number * BYTES[unit]


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_with_a_remedy(text: str) -> None:
    for parse in (parse_duration, parse_size):
        try:
            amount = parse(text)
        except ValueError as refusal:
            remedy = str(refusal)
        else:
            assert amount >= 0
            continue
        assert "such as" in remedy or "has no unit; write" in remedy
