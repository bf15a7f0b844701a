"""Folders of language models by what they hold."""

from pathlib import Path

import pytest

from modelwright.app.artifacts.formats import UNKNOWN, format_of
from modelwright.app.artifacts.llm_folders import HF_LLM, OPENVINO_LLM


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (("openvino_model.xml", "openvino_model.bin", "tokenizer.json", "config.json"), OPENVINO_LLM),
        (("openvino_model.xml", "openvino_tokenizer.xml", "tokenizer.json"), OPENVINO_LLM),
        (("config.json", "tokenizer.json", "model-00001-of-00002.safetensors"), HF_LLM),
        (("config.json", "tokenizer.json", "model.safetensors", "openvino_model.xml"), OPENVINO_LLM),
        (("config.json", "tokenizer.json"), UNKNOWN),
        (("model.safetensors",), UNKNOWN),
    ],
)
def test_folders_of_language_models(tmp_path: Path, files: tuple[str, ...], expected: str) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    assert format_of(tmp_path) == expected
