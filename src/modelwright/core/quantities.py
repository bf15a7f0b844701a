"""Durations (`500ms`), sizes (`32MiB`) and rates (`600/min`) as people write them; it knows no field and no limit."""

from __future__ import annotations

import re
from decimal import Decimal

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {
    "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
    "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
}  # fmt: skip
DURATION_PATTERN = rf"^\d{{1,9}}(\.\d{{1,9}})?({'|'.join(SECONDS)})$"
SIZE_PATTERN = rf"^\d{{1,15}}(\.\d{{1,9}})?({'|'.join(BYTES)})$"
RATES = {"min": "minute", "minute": "minute", "hour": "hour", "day": "day", "month": "month"}
THOUSANDS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_RATE = rf"\d{{1,12}}(\.\d{{1,6}})?[{''.join(THOUSANDS)}]?\s*/\s*({'|'.join(RATES)})"
RATES_PATTERN = rf"^{_RATE}(\s*,\s*{_RATE})*$"
_BUDGET = rf"\d{{1,7}}(\.\d{{1,12}})?\s*[A-Z]{{3}}\s*/\s*({'|'.join(RATES)})"
BUDGETS_PATTERN = rf"^{_BUDGET}(\s*,\s*{_BUDGET})*$"
MOST_RATE = 10**12
MOST_MONEY = 4_000_000
"""Of a budget, in whole currency: Redis counts in 64 bits."""
_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_SIZE = re.compile(SIZE_PATTERN, re.ASCII)
_ONE_RATE = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)\s*/\s*([a-z]+)", re.ASCII)
_ONE_BUDGET = re.compile(r"(\d+(?:\.\d{1,12})?)\s*([A-Z]{3})\s*/\s*([a-z]+)", re.ASCII)
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds of `500ms`, `2s`, `1.5m`, `1h` or `1d`; raises ValueError that says what to write."""
    match = _DURATION.fullmatch(text)
    if match is None:
        if _NUMBER.fullmatch(text):
            raise ValueError(f"{text!r} has no unit; write {text}s for seconds")
        raise ValueError(f"{text!r} is not a duration; write such as 500ms, 2s, 5m or 1h")
    return float(text[: match.start(2)]) * SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Bytes of `512B`, `64KiB`, `32MiB` (1024s) or `32MB` (1000s); raises ValueError that says what to write."""
    match = _SIZE.fullmatch(text)
    if match is None:
        if _NUMBER.fullmatch(text):
            raise ValueError(f"{text!r} has no unit; write {text}B for bytes, or such as 32MiB")
        raise ValueError(f"{text!r} is not a size; write such as 512KiB, 32MiB or 2GiB")
    number, unit = text[: match.start(2)], BYTES[match[2]]
    return int(number) * unit if number.isdigit() else int(float(number) * unit)


def parse_rates(text: str) -> list[tuple[int, str]]:
    """(amount, minute | hour | day | month) of each rate in `600/min` or `60/min, 10k/day`; raises ValueError."""
    found: list[tuple[int, str]] = []
    for piece in text.split(","):
        match = _ONE_RATE.fullmatch(piece.strip())
        if match is None or match[3] not in RATES:
            raise ValueError(
                f"{piece.strip()!r} is no rate; write such as 600/min, 20k/day or, of several, 60/min, 1k/day"
            )
        amount = Decimal(match[1]) * THOUSANDS[match[2]]
        if not 1 <= amount <= MOST_RATE or amount != int(amount):
            raise ValueError(f"{piece.strip()!r} is no whole number from 1 to 1e12; write such as 600/min")
        found.append((int(amount), RATES[match[3]]))
    windows = [per for _, per in found]
    if len(set(windows)) < len(windows):
        raise ValueError(f"{text!r} names a window twice; keep one rate of each")
    return found


def parse_budgets(text: str) -> list[tuple[Decimal, str, str]]:
    """(amount, currency, window) of each budget in `10 USD/day` or `10 USD/day, 200 USD/month`; raises ValueError."""
    found: list[tuple[Decimal, str, str]] = []
    for piece in text.split(","):
        match = _ONE_BUDGET.fullmatch(piece.strip())
        if match is None or match[3] not in RATES:
            raise ValueError(f"{piece.strip()!r} is no budget; write such as 10 USD/day or 10 USD/day, 200 USD/month")
        amount = Decimal(match[1])
        if not 0 < amount <= MOST_MONEY:
            raise ValueError(f"{piece.strip()!r} is not above 0 and at most {MOST_MONEY}; write such as 10 USD/day")
        found.append((amount, match[2], RATES[match[3]]))
    if len({each[1:] for each in found}) < len(found):
        raise ValueError(f"{text!r} names a window twice; keep one budget of each")
    return found


def told_size(size: int) -> str:
    """Bytes for people: `512 B`, `1.5 MiB`, `12 GiB`."""
    number, unit = float(size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024 or unit == "TiB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
