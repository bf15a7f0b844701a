"""The reference of metrics: the tables of gateway and control, and what toy models really tell."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from pathlib import Path

from prometheus_client.core import Metric

from docs.reference_pages.markdown import table
from modelwright.app.plugins import tensor_engine, text_codec, text_engine
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import EngineConfig
from modelwright.observe.aggregate import UP, UP_TEXT
from modelwright.observe.control_metrics import ROWS
from modelwright.observe.metrics import TABLE, MetricRow
from modelwright.serving.batching import Limits
from modelwright.serving.door import Door
from modelwright.serving.http_openai import OpenAIDoor, TextBounds
from modelwright.serving.http_v2 import TensorModel, V2Door

_INTRO = """# Metrics

<!-- Written by docs/generate.py from src/modelwright/observe and src/modelwright/serving: change those and run `make docs`. -->

`GET /metrics` on the admin door answers in Prometheus' text format with the sum over all workers; it needs no key. Every worker
answers the same for itself on its own socket. An endpoint's name that nothing is served under counts as `_other`.
"""


def page() -> str:
    """The whole page."""
    control = [*ROWS, MetricRow(UP, "gauge", ("worker",), UP_TEXT)]
    tensors, texts = asyncio.run(_models())
    return "\n".join(
        [
            _INTRO,
            f"## Gateway\n\n{_table([_row(row) for row in TABLE])}",
            f"## Models that answer the V2 wire\n\n{_table([_family(family) for family in tensors])}",
            f"## Models that answer the OpenAI wire\n\n{_table([_family(family) for family in texts])}",
            f"## Control\n\n{_table([_row(row) for row in control])}",
        ]
    )


def _table(rows: list[tuple[str, str, str, str]]) -> str:
    return table(("metric", "kind", "labels", "meaning"), rows)


def _row(row: MetricRow) -> tuple[str, str, str, str]:
    return f"`{row.name}`", row.kind, ", ".join(f"`{label}`" for label in row.labels), row.text


def _family(family: Metric) -> tuple[str, str, str, str]:
    labels = {label for sample in family.samples for label in sample.labels if label != "le"}
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return f"`{name}`", family.type, ", ".join(f"`{label}`" for label in sorted(labels)), family.documentation


async def _models() -> tuple[list[Metric], list[Metric]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "toy.json"
        path.write_text('{"toy": 1}', "utf-8")
        config = EngineConfig(model="toy", path=str(path))
        model = TensorModel(config=config, engine="toy-tensor", limits=Limits())
        tensor = V2Door(model, tensor_engine("toy-tensor"), clock=ManualClock(), tell=lambda _: None)
        text = OpenAIDoor(
            text_engine("toy-text"),
            config,
            codec=functools.partial(text_codec, "toy-text"),
            bounds=TextBounds(),
            on_lost=lambda _: None,
        )
        return await _families(tensor), await _families(text)


async def _families(door: Door) -> list[Metric]:
    await door.start()
    try:
        return list(door.collect())
    finally:
        await door.stop()
