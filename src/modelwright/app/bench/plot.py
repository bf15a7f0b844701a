"""Draws latency over throughput as SVG: one point per load, a line for half and one for 99 of 100; pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from modelwright.app.bench.figures import Figures, Within

WIDTH, HEIGHT = 720, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 70, 60
_LEGEND = 38
"""Where the line of words above the field stands: the highest point's load is below it."""
_ACROSS = "answers per second; above each point its load"
_TICKS = 5
_LINES = (("p50", "#1f6feb"), ("p99", "#d1242f"))
_STEPS = (1.0, 2.0, 5.0, 10.0)


def plot(title: str, figures: Sequence[Figures]) -> str:
    """An SVG document; loads without one good answer are left out."""
    points = [(each.per_second, each.latency_ms, each.load) for each in figures if each.latency_ms is not None]
    across = _Scale(max((point[0] for point in points), default=1.0), start=_LEFT, end=WIDTH - _RIGHT)
    up = _Scale(max((point[1].p99 for point in points), default=1.0), start=HEIGHT - _BOTTOM, end=_TOP)
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            _text(WIDTH / 2, 24, title, anchor="middle", size=15),
            *_axes(across, up),
            *_lines(points, across, up),
            "</svg>\n",
        )
    )


class _Scale:
    """From values, 0 at the start, to places; it ends at a round value."""

    def __init__(self, largest: float, *, start: float, end: float) -> None:
        rough = max(largest, 1e-9) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        self.step = next(step for step in _STEPS if step * power >= rough * (1 - 1e-9)) * power
        self.ticks = [number * self.step for number in range(math.ceil(largest / self.step - 1e-9) + 1)]
        self._start = start
        self._per_unit = (end - start) / max(self.ticks[-1], self.step)

    def __call__(self, value: float) -> float:
        return round(self._start + value * self._per_unit, 1)


def _axes(across: _Scale, up: _Scale) -> Iterator[str]:
    bottom, left = HEIGHT - _BOTTOM, _LEFT
    for value in up.ticks:
        yield f'<line x1="{left}" y1="{up(value)}" x2="{WIDTH - _RIGHT}" y2="{up(value)}" stroke="#d8dee4"/>'
        yield _text(left - 8, up(value) + 4, f"{value:g}", anchor="end")
    for value in across.ticks:
        yield f'<line x1="{across(value)}" y1="{bottom}" x2="{across(value)}" y2="{bottom + 5}" stroke="#57606a"/>'
        yield _text(across(value), bottom + 20, f"{value:g}", anchor="middle")
    yield f'<line x1="{left}" y1="{bottom}" x2="{WIDTH - _RIGHT}" y2="{bottom}" stroke="#57606a"/>'
    yield _text((left + WIDTH - _RIGHT) / 2, HEIGHT - 16, _ACROSS, anchor="middle")
    yield _text(16, _LEGEND, "milliseconds")


def _lines(points: Sequence[tuple[float, Within, str]], across: _Scale, up: _Scale) -> Iterator[str]:
    for number, (name, colour) in enumerate(_LINES):
        places = [(across(rate), up(getattr(latency, name)), load) for rate, latency, load in points]
        path = " ".join(f"{x},{y}" for x, y, _ in places)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        for x, y, load in places:
            yield f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"><title>{escape(load)} {name}</title></circle>'
            if number == len(_LINES) - 1:
                yield _text(x, y - 10, load, anchor="middle")
        x = WIDTH - _RIGHT - 60 * (len(_LINES) - number)
        yield f'<rect x="{x}" y="{_LEGEND - 10}" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 17, _LEGEND, name)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="#24292f">{escape(text)}</text>'
