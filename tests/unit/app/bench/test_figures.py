"""Figures of a load, and its picture."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.bench.figures import Figures, Load, Sample, figures_of, within
from modelwright.app.bench.plot import plot
from modelwright.app.bench.run import Total, per_thousand


def test_shares_are_nearest_ranks() -> None:
    found = within([number / 1000 for number in range(100, 0, -1)])
    assert found is not None
    assert (found.p50, found.p90, found.p99, found.max) == (50.0, 90.0, 99.0, 100.0)
    assert within([]) is None


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_shares_are_ordered_and_have_been_seen(seconds: list[float]) -> None:
    found = within(seconds)
    assert found is not None
    assert found.p50 <= found.p90 <= found.p99 <= found.max
    seen = {round(1000 * one, 3) for one in seconds}
    assert {found.p50, found.p90, found.p99, found.max} <= seen


def test_failures_are_counted_and_their_times_are_not() -> None:
    samples = [
        Sample(0.010, tokens=30, first=0.002),
        Sample(0.030, tokens=10, first=0.004),
        Sample(9.0, "504 provider_timeout"),
        Sample(0.001, "429 overloaded"),
        Sample(0.001, "429 overloaded"),
    ]
    found = figures_of(Load(concurrency=5), samples, seconds=2.0, late=0.5)
    assert (found.load, found.requests, found.ok, found.per_second, found.late_ms) == ("5", 5, 2, 1.0, 500.0)
    assert found.errors == {"429 overloaded": 2, "504 provider_timeout": 1}
    assert found.latency_ms is not None
    assert (found.latency_ms.p50, found.latency_ms.max) == (10.0, 30.0)
    assert found.first_ms is not None
    assert (found.first_ms.p50, found.first_ms.max) == (2.0, 4.0)
    assert found.tokens_per_second == 20.0


def test_a_load_without_an_answer_has_no_latency() -> None:
    found = figures_of(Load(rate=2.5), [Sample(0.1, "503")], seconds=1.0)
    assert (found.load, found.ok, found.latency_ms, found.tokens_per_second) == ("2.5/s", 0, None, None)


def _figures(load: str, rate: float, p50: float, p99: float) -> Figures:
    samples = [Sample(p50 / 1000)] * 98 + [Sample(p99 / 1000)] * 2
    return figures_of(Load(concurrency=int(load)), samples, seconds=100 / rate)


def drawn(title: str, *figures: Figures) -> ET.Element:
    return ET.fromstring(plot(title, figures))  # noqa: S314 - our own


def test_the_picture_has_a_point_per_load_and_share() -> None:
    picture = drawn("a <b>", _figures("1", 100, 2, 5), _figures("8", 400, 9, 20))
    points = picture.findall("{*}circle")
    assert [point[0].text for point in points] == ["1 p50", "8 p50", "1 p99", "8 p99"]
    places = [(float(point.attrib["cx"]), float(point.attrib["cy"])) for point in points]
    assert places[0][0] == places[2][0] < places[1][0] == places[3][0]  # the same load stands above itself
    assert places[3][1] < places[1][1] < places[0][1]  # slower is higher
    texts = [text.text for text in picture.findall("{*}text")]
    assert {"a <b>", "0", "400", "20", "milliseconds", "answers per second; above each point its load"} <= set(texts)


@pytest.mark.parametrize("figures", [[], [figures_of(Load(rate=1), [Sample(1, "503")], seconds=1)]])
def test_a_picture_of_nothing_is_a_picture(figures: list[Figures]) -> None:
    assert drawn("nothing", *figures).findall("{*}circle") == []


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e7))
def test_every_point_is_within_the_picture(rate: float, latency: float) -> None:
    samples = [Sample(latency / 1000)]
    found = figures_of(Load(concurrency=1), samples, seconds=1 / rate)
    for point in drawn("x", found).findall("{*}circle"):
        assert 70 <= float(point.attrib["cx"]) <= 700
        assert 70 <= float(point.attrib["cy"]) <= 400


def test_cost_of_a_thousand_is_exact_and_unknown_while_a_call_is_unpriced() -> None:
    def total(cost: str, currency: str, unpriced: int = 0) -> Total:
        return Total(calls=4, cost=cost, unpriced=unpriced, currency=currency, outcome="ok")

    assert per_thousand([total("0.000000000012", "USD"), total("0.1", "CNY")], 8) == {
        "USD": "0.0000000015",
        "CNY": "12.5",
    }
    assert per_thousand([total("1", "USD"), total("0", "USD", 1)], 8) == {}
    assert per_thousand([total("0", "", 0)], 4) == {}
    assert per_thousand([], 0) == {}
