import asyncio
import logging
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelwright.core.contracts.events import AttemptFailed, Event, RequestFinished, SnapshotApplied
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.observe import listener
from modelwright.observe.listener import Listener
from modelwright.observe.metrics import READINGS, SECONDS, TABLE, CallMetrics, Reading


def metrics(**readings: float) -> CallMetrics:
    known: dict[str, Reading] = {row.name: ((dict) if row.labels else (lambda: 0.0)) for row in READINGS}
    known |= {name: (lambda value=value: value) for name, value in readings.items()}
    return CallMetrics(version="1.2.3", readings=known)


def samples(collector: CallMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    registry = CollectorRegistry()
    registry.register(collector)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(collector: CallMetrics, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    return sum(
        found for (known, has), found in samples(collector).items() if known == name and set(labels.items()) <= set(has)
    )


def finished(path: str = "/v1/chat/completions", status: int = 200, **fields: object) -> RequestFinished:
    row = LedgerRow(call="c", at=1.0, operation="chat", endpoint="chat", variant="main", outcome="ok", status=status)
    for name, given in fields.items():
        setattr(row, name, given)
    return RequestFinished(
        at=1.0, method="POST", path=path, status=status, duration_ms=1.0, client="", call=row if fields else None
    )


def test_calls_are_counted_by_how_they_ended() -> None:
    collector = metrics()
    collector.hear([finished(latency_ms=3.0), finished(latency_ms=3.0), finished(status=502, outcome="provider_error")])
    collector.hear([finished(), SnapshotApplied(at=1.0, serial=2, endpoints=1, keys=1)])
    name = "modelwright_calls_total"
    assert value(collector, name, outcome="ok", status="200", endpoint="chat", variant="main", wire="openai") == 2
    assert value(collector, name, outcome="provider_error", status="502") == 1
    assert value(collector, "modelwright_http_requests_total", path="/v1/chat/completions") == 4
    assert value(collector, "modelwright_call_duration_seconds_count") == 3
    assert value(collector, "modelwright_call_duration_seconds_sum") == pytest.approx(0.006)
    assert value(collector, "modelwright_call_duration_seconds_bucket", le="0.0025") == 1
    assert value(collector, "modelwright_call_duration_seconds_bucket", le="0.005") == 3


def test_tokens_chunks_and_first_tokens_are_counted() -> None:
    collector = metrics()
    row = {"input_tokens": 10, "cached_tokens": 4, "output_tokens": 7, "reasoning_tokens": None}
    collector.hear([finished(**row, chunks=9, first_token_ms=30.0)] * 2)
    tokens = "modelwright_tokens_total"
    counted = {direction: value(collector, tokens, direction=direction) for direction in ("input", "cached", "output")}
    assert counted == {"input": 20, "cached": 8, "output": 14}
    assert value(collector, "modelwright_stream_chunks_total", operation="chat") == 18
    assert value(collector, "modelwright_first_token_seconds_bucket", le="0.05") == 2


def test_an_endpoint_that_nobody_serves_is_other() -> None:
    collector = metrics()
    collector.hear([finished(endpoint=f"junk-{number}", variant="", outcome="refused") for number in range(100)])
    assert value(collector, "modelwright_calls_total", endpoint="_other") == 100
    assert not any("junk" in str(labels) for _, labels in samples(collector))


def test_a_tensor_call_is_of_the_other_wire() -> None:
    collector = metrics()
    collector.hear([finished(operation="infer", endpoint="digits")])
    assert value(collector, "modelwright_calls_total", wire="v2", operation="infer") == 1


def test_one_endpoint_with_two_operations_makes_no_double_series() -> None:
    collector = metrics()
    collector.hear(
        [finished(operation=name, chunks=1, output_tokens=1, first_token_ms=1.0) for name in ("chat", "completions")]
    )
    registry = CollectorRegistry()
    registry.register(collector)
    lines = [line.partition("}")[0] for line in generate_latest(registry).decode().splitlines() if "{" in line]
    assert len(lines) == len(set(lines))


def test_every_row_of_the_table_is_there_and_nothing_else() -> None:
    collector = metrics(modelwright_in_flight=3.0)
    collector.hear([finished(first_token_ms=1.0, chunks=1, output_tokens=1)])
    families = {family.name: (family.type, family.documentation) for family in collector.collect()}
    assert families == {row.name.removesuffix("_total"): (row.kind, row.text) for row in TABLE}
    assert value(collector, "modelwright_in_flight") == 3
    assert value(collector, "modelwright_build_info", version="1.2.3") == 1
    assert {row.name for row in TABLE if row.kind == "counter"} == {r.name for r in TABLE if r.name.endswith("_total")}


def test_readings_must_be_those_of_the_table() -> None:
    with pytest.raises(ValueError, match="modelwright_in_flight"):
        CallMetrics(version="1", readings={})


def test_buckets_are_in_order() -> None:
    assert list(SECONDS) == sorted(set(SECONDS))


# The listener


def test_what_was_appended_is_heard_once_and_in_order() -> None:
    counted: list[Event] = []
    written: list[Event] = []
    known = Listener(numbers=counted.extend, lines=written.extend)
    events = [SnapshotApplied(at=float(number), serial=number, endpoints=0, keys=0) for number in range(5)]
    for event in events[:3]:
        known.emit(event)
    known.drain()
    known.drain()
    for event in events[3:]:
        known.emit(event)
    known.drain()
    assert counted == written == events


def test_too_many_at_once_are_counted_but_not_all_written() -> None:
    counted: list[Event] = []
    written: list[Event] = []
    known = Listener(numbers=counted.extend, lines=written.extend)
    for number in range(listener.MOST + 7):
        known.emit(SnapshotApplied(at=float(number), serial=number, endpoints=0, keys=0))
    known.drain()
    assert len(counted) == listener.MOST + 7
    assert (len(written), known.dropped) == (listener.MOST, 7)
    assert written[0].at == 7.0


def test_an_ear_that_fails_does_not_end_the_listening(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def numbers(events: Sequence[Event]) -> None:
        if not heard:
            heard.extend(events)
            raise RuntimeError("on purpose")

    async def scene() -> list[Event]:
        written: list[Event] = []
        known = Listener(numbers=numbers, lines=written.extend)
        running = asyncio.ensure_future(known.run())
        for number in (1, 2):
            known.emit(SnapshotApplied(at=float(number), serial=number, endpoints=0, keys=0))
            await asyncio.sleep(listener.INTERVAL * 2)
        known.emit(SnapshotApplied(at=3.0, serial=3, endpoints=0, keys=0))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return written

    with caplog.at_level(logging.ERROR):
        written = asyncio.run(scene())
    assert [event.at for event in written] == [2.0, 3.0]
    assert "events could not be heard" in caplog.text


def test_attempts_that_failed_are_no_calls_and_their_tokens_count() -> None:
    collector = metrics()
    attempt = LedgerRow(
        call="c.1", at=1.0, operation="chat", endpoint="chat", variant="main", outcome="provider_error",
        attempt_of="c", input_tokens=5,
    )  # fmt: skip
    collector.hear([AttemptFailed(at=1.0, attempt=attempt)])
    assert value(collector, "modelwright_failed_attempts_total", variant="main", outcome="provider_error") == 1
    assert value(collector, "modelwright_tokens_total", variant="main", direction="input") == 5
    assert value(collector, "modelwright_calls_total") == 0
