"""A folder with model files as small as their formats allow, a prompt, and a way to write a manifest into it."""

from collections.abc import Callable
from pathlib import Path

import pytest

ONNX = b"\x08\x0a\x12\x04test\x3a\x02\x12\x00\x42\x02\x10\x15"
"""ir_version, producer_name, graph, opset_import: all that ModelProto's top level needs."""

Write = Callable[[str], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "digits.onnx").write_bytes(ONNX)
    (tmp_path / "chat.gguf").write_bytes(b"GGUF\x03" + bytes(19))
    (tmp_path / "built.plan").write_bytes(b"ftrt\x61\x00\x00\x00")
    (tmp_path / "check.json").write_text("{}", "utf-8")
    versions = tmp_path / "prompts" / "support"
    versions.mkdir(parents=True)
    (versions / "v1.md").write_text("You help.\n", "utf-8")
    (versions / "v2.md").write_text("---\nvariables: {tone: {type: string}}\n---\nYou help, {{ tone }}.\n", "utf-8")
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Write:
    def manifest(text: str) -> Path:
        path = folder / "modelwright.yaml"
        path.write_text(f"schema: 1\nname: test\n{text}", "utf-8")
        return path

    return manifest
