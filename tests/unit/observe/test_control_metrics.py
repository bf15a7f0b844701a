import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelwright.observe.control_metrics import ROWS, ControlMetrics


def test_every_row_of_the_table_is_told_with_its_present_value() -> None:
    values = {row.name: float(number) for number, row in enumerate(ROWS)}
    metrics = ControlMetrics({name: (lambda name=name: values[name]) for name in values})
    values[ROWS[0].name] = 42.0
    families = list(text_string_to_metric_families(metrics.text()))
    assert {sample.name: sample.value for family in families for sample in family.samples} == values
    assert [family.type for family in families] == [row.kind for row in ROWS]
    assert [family.documentation for family in families] == [row.text for row in ROWS]


def test_readings_must_fit_the_table() -> None:
    with pytest.raises(ValueError, match="modelwright_keys"):
        ControlMetrics({row.name: float for row in ROWS[:-1]})
