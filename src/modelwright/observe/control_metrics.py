"""Control's own metrics: its table of names, read when somebody asks; a worker's are in `metrics` and in its door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from modelwright.observe.metrics import MetricRow, Reading

ROWS: tuple[MetricRow, ...] = (
    MetricRow("modelwright_ledger_lines_total", "counter", (), "Spool lines taken into the ledger; a call has two."),
    MetricRow(
        "modelwright_ledger_rejected_lines_total", "counter", (), "Spool lines set aside, since they are no rows."
    ),
    MetricRow("modelwright_feedback_total", "counter", (), "Judgements of answers that were taken in."),
    MetricRow("modelwright_ledger_unresolved_total", "counter", (), "Calls whose worker died before their outcome."),
    MetricRow("modelwright_ledger_behind", "gauge", (), "1 while the database cannot take the ledger's rows."),
    MetricRow("modelwright_disk_bytes", "gauge", (), "Size of the disk that the state is on."),
    MetricRow("modelwright_disk_free_bytes", "gauge", (), "What of it can still be written."),
    MetricRow("modelwright_keys", "gauge", (), "Live API keys."),
    MetricRow("modelwright_restarts_total", "counter", ("part",), "Processes that were started again."),
    MetricRow("modelwright_tasks_queued", "gauge", (), "Tasks that wait."),
    MetricRow("modelwright_tasks_running", "gauge", (), "Tasks whose call is made now."),
    MetricRow("modelwright_tasks_ended_total", "counter", ("status",), "Tasks that have ended, by how."),
    MetricRow(
        "modelwright_webhook_attempts_total",
        "counter",
        ("result",),
        "Times that somebody was told of a task's end: delivered, pending (told again later) or failed (given up).",
    ),
)


class ControlMetrics(Collector):
    """Reads the present values."""

    def __init__(self, readings: Mapping[str, Reading]) -> None:
        """`readings` gives the value of each row, by name."""
        wrong = {row.name for row in ROWS} ^ set(readings)
        if wrong:
            raise ValueError(f"readings do not fit the table: {sorted(wrong)}")
        self._readings = readings

    def text(self) -> str:
        """In Prometheus' text format."""
        return generate_latest(self).decode()

    def collect(self) -> Iterator[Metric]:
        """Every row of the table."""
        for row in ROWS:
            family = (CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily)(
                row.name, row.text, labels=row.labels
            )
            found = self._readings[row.name]()
            for labels, value in (found if isinstance(found, Mapping) else {(): found}).items():
                family.add_metric(labels, value)
            yield family
