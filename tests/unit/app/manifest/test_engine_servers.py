"""Models that an engine's own server runs, in the manifest."""

from pathlib import Path

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.app.parts import PartSpec
from modelwright.app.supervise.plan import plan_units
from tests.unit.app.manifest.conftest import Write


@pytest.fixture
def hf(folder: Path) -> Path:
    (folder / "hf").mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / "hf" / name).write_text("{}")
    return folder


@pytest.mark.parametrize(
    "model",
    [
        "{source: ./chat.gguf, engine: {kind: llama-server, command: [./x], arguments: [--mlock], load_timeout: 5m}}",
        "{source: ./hf, engine: {kind: vllm, context: 512, precision: bf16, device: 'cuda:1'}}",
        "{source: ./hf, engine: {kind: tgi}}",
        "{source: ./hf, engine: {kind: ollama, context: 2048}, batching: {max_sequences: 4}}",
    ],
)
def test_what_is_right(hf: Path, write: Write, model: str) -> None:
    assert hf.exists()
    assert check_manifest(write(f"models: {{m: {model}}}\n"), env={}).faults == ()


@pytest.mark.parametrize(
    ("model", "key", "words"),
    [
        ("{source: ./hf}", "source", "is a Hugging Face LLM, which no engine is chosen for"),
        ("{source: ./chat.gguf, engine: {command: [x]}}", "engine.command", "openvino-llm runs in our own process"),
        ("{source: ./digits.onnx, engine: {load_timeout: 1m}}", "engine.load_timeout", "onnxruntime runs in our own"),
        ("{source: ./hf, engine: {kind: vllm, cache: 1GiB}}", "engine.cache", "vllm has a server of its own"),
        ("{source: ./hf, engine: {kind: tgi, options: {a: 1}}}", "engine.options", "tgi has a server of its own"),
        ("{source: ./hf, engine: {kind: llama-server}}", "source", "is no GGUF file, it is Hugging Face LLM"),
        ("{source: ./hf, engine: {kind: vllm, load_timeout: soon}}", "engine.load_timeout", "is not a duration"),
    ],
)
def test_what_is_wrong(hf: Path, write: Write, model: str, key: str, words: str) -> None:
    assert hf.exists()
    (fault,) = check_manifest(write(f"models: {{m: {model}}}\n"), env={}).faults
    assert fault.key == f"models.m.{key}"
    assert words in fault.problem
    assert fault.remedy


def test_the_worker_is_told_what_its_server_needs(hf: Path, write: Write) -> None:
    engine = "{kind: vllm, command: [v], load_timeout: 90s}"
    text = f"models: {{m: {{source: ./hf, engine: {engine}, batching: {{queue_rows: 7}}}}}}\n"
    loaded = load_manifest(write(text), env={})
    common = PartSpec(name="", kind="", runtime="r", state="s", base=str(hf), environment="e")
    (unit,) = plan_units(loaded, common=common, cores=2)
    assert unit.spec.model
    assert unit.spec.model.options == {
        "context": 0,
        "cache": 256 << 20,
        "max_sequences": 16,
        "command": ["v"],
        "arguments": [],
        "load_timeout": 90.0,
        "precision": "",
        "queue_rows": 7,
    }
