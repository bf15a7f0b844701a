import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelwright.observe.aggregate import MetricSum


class Worker:
    """A worker's metrics, written by the library that the workers use."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("calls", "Calls.\nBy endpoint.", ["endpoint", "outcome"], registry=self.registry)
        self.seconds = Histogram("seconds", "Time.", buckets=(0.1, 1.0), registry=self.registry)
        self.in_flight = Gauge("in_flight", "Now.", registry=self.registry)
        self.serial = Gauge("snapshot_serial", "Serial.", registry=self.registry)
        self.build = Gauge("build_info", "Version.", ["version"], registry=self.registry)

    def text(self) -> str:
        return generate_latest(self.registry).decode()


def values(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_counters_histograms_and_gauges_are_added() -> None:
    one, two, total = Worker(), Worker(), MetricSum()
    one.calls.labels('a"\\\n', "ok").inc(2)
    two.calls.labels('a"\\\n', "ok").inc(3)
    two.calls.labels("b", "failed").inc()
    one.seconds.observe(0.05)
    two.seconds.observe(0.5)
    one.in_flight.set(4)
    two.in_flight.set(5)
    total.hear("gateway-0", one.text())
    total.hear("gateway-1", two.text())
    found = values(total.text())
    assert found["calls_total", 'endpoint=a"\\\n,outcome=ok'] == 5
    assert found["calls_total", "endpoint=b,outcome=failed"] == 1
    assert found["seconds_bucket", "le=0.1"] == 1
    assert found["seconds_bucket", "le=1.0"] == 2
    assert found["seconds_bucket", "le=+Inf"] == 2
    assert found["seconds_count", ""] == 2
    assert math.isclose(found["seconds_sum", ""], 0.55)
    assert found["in_flight", ""] == 9
    assert found["modelwright_worker_up", "part=gateway-0"] == 1


def test_the_kind_and_the_help_of_a_metric_stay() -> None:
    one, total = Worker(), MetricSum()
    one.calls.labels("a", "ok").inc()
    total.hear("gateway-0", one.text())
    text = total.text().decode()
    assert "# HELP calls_total Calls.\\nBy endpoint.\n# TYPE calls_total counter\n" in text
    assert "# TYPE seconds histogram\n" in text
    assert "# TYPE in_flight gauge\n" in text


def test_a_metric_without_samples_is_kept() -> None:
    total = MetricSum()
    total.hear("gateway-0", "# HELP calls_total Calls.\n# TYPE calls_total counter\n")
    assert b"# TYPE calls_total counter" in total.text()


def test_gauges_that_cannot_be_added_are_not() -> None:
    one, two, total = Worker(), Worker(), MetricSum()
    for worker, serial in ((one, 7), (two, 9)):
        worker.serial.set(serial)
        worker.build.labels("0.1.0").set(1)
    total.hear("gateway-0", one.text())
    total.hear("gateway-1", two.text())
    found = values(total.text())
    assert found["snapshot_serial", ""] == 7
    assert found["build_info", "version=0.1.0"] == 1


def test_a_silent_worker_is_down_and_its_counts_stay() -> None:
    one, total = Worker(), MetricSum()
    one.calls.labels("a", "ok").inc(5)
    one.in_flight.set(3)
    total.hear("gateway-0", one.text())
    for silence in (None, "this is { not a metric"):
        total.hear("gateway-0", silence)
        found = values(total.text())
        assert found["modelwright_worker_up", "part=gateway-0"] == 0
        assert found["calls_total", "endpoint=a,outcome=ok"] == 5
        assert ("in_flight", "") not in found
    total.hear("gateway-0", one.text())
    assert values(total.text())["calls_total", "endpoint=a,outcome=ok"] == 5


def test_a_worker_that_was_started_again_goes_on_counting() -> None:
    first, again, total = Worker(), Worker(), MetricSum()
    first.calls.labels("a", "ok").inc(5)
    first.calls.labels("b", "ok").inc(1)
    total.hear("gateway-0", first.text())
    total.hear("gateway-0", None)
    again.calls.labels("a", "ok").inc(9)
    total.hear("gateway-0", again.text())
    found = values(total.text())
    assert found["calls_total", "endpoint=a,outcome=ok"] == 14
    assert found["calls_total", "endpoint=b,outcome=ok"] == 1


ACTS = st.lists(st.tuples(st.sampled_from(["call", "scrape", "silence", "restart"]), st.integers(0, 2)), max_size=60)


@given(ACTS)
def test_no_count_of_the_sum_ever_goes_down(acts: list[tuple[str, int]]) -> None:
    workers, total = [0, 0, 0], MetricSum()
    before = 0.0
    for verb, number in acts:
        part = f"gateway-{number}"
        if verb == "call":
            workers[number] += 1
        elif verb == "restart":
            workers[number] = 0
        else:
            text = f"# TYPE calls_total counter\ncalls_total {workers[number]}\n"
            total.hear(part, None if verb == "silence" else text)
        now = values(total.text()).get(("calls_total", ""), 0.0)
        assert now >= before
        assert now <= sum(verb == "call" for verb, _ in acts)
        before = now
