"""How two versions of a model are told apart: every field, digests cut, metrics and sizes with their change."""

import io

import msgspec
from rich.console import Console

from modelwright.app.models.types import ModelShown
from modelwright.cli.model_view import diff_table, differences, lines_of
from modelwright.core.contracts.model import Lineage, ModelFile, ModelVersion, Tensors
from modelwright.core.ports.engines import TensorSpec

OLD = ModelVersion(
    digest="sha256:" + "5e" * 32,
    name="digits.onnx",
    files=(
        ModelFile(path="digits.onnx", digest="sha256:" + "5e" * 32, size=2048),
        ModelFile(path="names.txt", digest="sha256:" + "11" * 32, size=10),
    ),
    signature=Tensors(inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, 64)),)),
    metrics={"accuracy": 0.9, "loss": 0.0},
    lineage=Lineage(libraries={"onnx": "1.18"}),
)
NEW = msgspec.structs.replace(
    OLD,
    digest="sha256:" + "7a" * 32,
    files=(
        ModelFile(path="digits.onnx", digest="sha256:" + "7a" * 32, size=1024),
        ModelFile(path="names.txt", digest="sha256:" + "22" * 32, size=10),
        ModelFile(path="new.bin", digest="sha256:" + "33" * 32, size=1),
    ),
    licence="MIT",
    metrics={"accuracy": 0.945, "loss": 0.25, "f1": 1.0},
    lineage=Lineage(libraries={"onnx": "1.19"}),
)


def shown(version: str, model: ModelVersion) -> ModelShown:
    return ModelShown(name="digits", version=version, document="sha256:d", aliases=("champion",), model=model)


def test_each_difference_is_one_row() -> None:
    assert differences(shown("v1", OLD), shown("v2", NEW)) == [
        ("digest", "sha256:5e5e5e5e5e5e…", "sha256:7a7a7a7a7a7a…", ""),
        ("licence", "–", "MIT", ""),
        ("metrics.accuracy", "0.9", "0.945", "+0.045 (+5.0%)"),
        ("metrics.loss", "0", "0.25", "+0.25"),
        ("lineage.libraries.onnx", "1.18", "1.19", ""),
        ("files.digits.onnx", "sha256:5e5e5e5e5e5e… (2.0 KiB)", "sha256:7a7a7a7a7a7a… (1.0 KiB)", "-1.0 KiB"),
        ("files.names.txt", "sha256:111111111111… (10 B)", "sha256:222222222222… (10 B)", "other content"),
        ("metrics.f1", "–", "1", "added"),
        ("files.new.bin", "–", "sha256:333333333333… (1 B)", "added"),
    ]
    assert differences(shown("v1", OLD), shown("v2", OLD)) == []


def test_the_table_has_the_versions_at_its_head() -> None:
    out = io.StringIO()
    Console(file=out, width=120, highlight=False).print(diff_table(shown("v1", OLD), shown("v2", NEW)))
    head, first, *_ = out.getvalue().splitlines()
    assert head.split() == ["v1", "v2", "change"]
    assert first.split() == ["digest", "sha256:5e5e5e5e5e5e…", "sha256:7a7a7a7a7a7a…"]


def test_a_version_is_told_line_by_line() -> None:
    assert list(lines_of(shown("v1", OLD))) == [
        "digits@v1 (digits.onnx)",
        f"  digest: {OLD.digest}",
        "  size: 2.0 KiB",
        "  aliases: champion",
        "  metrics: accuracy 0.9, loss 0",
        "  libraries: onnx 1.18",
        "  takes: x FP32 [-1, 64]",
    ]
