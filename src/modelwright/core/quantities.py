"""Durations such as `500ms` and sizes such as `32MiB`, as people write them; it knows no field and no limit."""

from __future__ import annotations

import re

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {
    "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
    "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
}  # fmt: skip
DURATION_PATTERN = rf"^\d{{1,9}}(\.\d{{1,9}})?({'|'.join(SECONDS)})$"
SIZE_PATTERN = rf"^\d{{1,15}}(\.\d{{1,9}})?({'|'.join(BYTES)})$"
_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_SIZE = re.compile(SIZE_PATTERN, re.ASCII)
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
