from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelwright.observe.control_metrics import ROWS, ControlMetrics


def test_every_row_of_the_table_is_told_with_its_present_value() -> None:
    values: dict[str, Any] = {row.name: float(number) for number, row in enumerate(ROWS)}
    values["modelwright_restarts_total"] = {("control",): 2.0}
    metrics = ControlMetrics({name: (lambda name=name: values[name]) for name in values})
    values[ROWS[0].name] = 42.0
    families = list(text_string_to_metric_families(metrics.text()))
    told = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert told == {
        (name, *labels): number
        for name, value in values.items()
        for labels, number in (value if isinstance(value, dict) else {(): value}).items()
    }
    assert [family.type for family in families] == [row.kind for row in ROWS]
    assert [family.documentation for family in families] == [row.text for row in ROWS]


def test_readings_must_fit_the_table() -> None:
    with pytest.raises(ValueError, match=ROWS[-1].name):
        ControlMetrics({row.name: float for row in ROWS[:-1]})
