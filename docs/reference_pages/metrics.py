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
from modelwright.observe.control_metrics import ROWS
from modelwright.observe.grpc_metrics import ROWS as GRPC_ROWS
from modelwright.observe.metrics import TABLE, MetricRow
from modelwright.serving.batching import Limits
from modelwright.serving.door import Door
from modelwright.serving.embeddings.door import EmbeddingRules, EmbeddingsDoor
from modelwright.serving.http_openai import OpenAIDoor, TextBounds
from modelwright.serving.http_v2 import TensorModel, V2Door

_INTRO = """# Metrics

<!-- Written by docs/generate.py from src/modelwright/observe and src/modelwright/serving: run `make docs`. -->

`GET /metrics` on the admin door sums all workers, in Prometheus' text format; each worker also answers it on its own
Unix socket. `modelwright_worker_up{part="…"}` is 0 for a worker that did not answer the scrape. Labels are bounded: an
endpoint that nothing is served under is counted as `_other`.
"""


def page() -> str:
    """The whole page."""
    tensors, texts = asyncio.run(_models())
    sections = {
        "Gateway": [_row(row) for row in TABLE],
        "gRPC door": [_row(row) for row in GRPC_ROWS],
        "Control": [_row(row) for row in ROWS],
        "Serving, tensor models": [_family(family) for family in tensors],
        "Serving, text models": [_family(family) for family in texts],
    }
    head = ("name", "type", "labels", "meaning")
    return "\n".join([_INTRO, *(f"## {title}\n\n{table(head, rows)}" for title, rows in sections.items())])


def _row(row: MetricRow) -> tuple[str, str, str, str]:
    return f"`{row.name}`", row.kind, ", ".join(row.labels), row.text


def _family(family: Metric) -> tuple[str, str, str, str]:
    labels = {label: None for sample in family.samples for label in sample.labels if label != "le"}
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return f"`{name}`", family.type, ", ".join(labels), family.documentation


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
            bounds=TextBounds(max_sequences=1, queue=1, max_body=1 << 20),
            check=b"",
            on_lost=lambda _: None,
        )
        embeddings = EmbeddingsDoor(tensor, EmbeddingRules(), model="toy")
        own = [family for family in embeddings.collect() if "embedded" in family.name]
        return [*await _families(tensor), *own], await _families(text)


async def _families(door: Door) -> list[Metric]:
    await door.start()
    try:
        return list(door.collect())
    finally:
        await door.stop()
