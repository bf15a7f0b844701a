"""Folders of language models, by the files that they hold; nothing in them is read."""

from __future__ import annotations

from pathlib import Path

OPENVINO_LLM, HF_LLM = "openvino-llm", "hf-llm"


def is_openvino_llm(folder: Path) -> bool:
    """A language model as `optimum-cli export openvino` writes it."""
    return _holds(folder, "openvino_model.xml", "tokenizer.json")


def is_hf_llm(folder: Path) -> bool:
    """A language model as transformers saves it: weights in safetensors, shape and tokenizer beside them."""
    return _holds(folder, "config.json", "tokenizer.json") and any(folder.glob("*.safetensors"))


def _holds(folder: Path, *names: str) -> bool:
    return all((folder / name).is_file() for name in names)
