"""Models that are classes of the user's own, in a manifest."""

from pathlib import Path

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from tests.unit.app.manifest.conftest import Write

KIND = '"python:app.models:Greeter"'


def problems(write: Write, text: str) -> list[tuple[str, str]]:
    return [(fault.key, fault.problem) for fault in check_manifest(write(text), env={}).faults]


@pytest.mark.parametrize(
    "model",
    [
        f"{{engine: {{kind: {KIND}}}}}",
        f"{{engine: {{kind: {KIND}, concurrency: 4, timeout: 5m, options: {{word: Hi}}}}, check: ./check.json}}",
        f"{{source: ./digits.onnx, engine: {{kind: {KIND}}}}}",
        '{engine: {kind: "python:models:Outer.Inner"}}',
        f"{{engine: {{kind: {KIND}, env: {{MODE: fast, SHELL: '$${{HOME}}'}}}}}}",
        "{source: ./chat.gguf, engine: {kind: llama-server, env: {MODE: fast}}}",
    ],
)
def test_what_is_right(write: Write, model: str) -> None:
    assert problems(write, f"models: {{m: {model}}}") == []


@pytest.mark.parametrize(
    ("model", "place", "words"),
    [
        ("{engine: {kind: 'python:models'}}", "models.m.engine.kind", "names no class"),
        ("{engine: {kind: 'python:../models:M'}}", "models.m.engine.kind", "names no class"),
        ("{engine: {kind: onnxruntime}}", "models.m", "`source` is missing"),
        (f"{{source: ./gone, engine: {{kind: {KIND}}}}}", "models.m.source", "does not exist"),
        (f"{{engine: {{kind: {KIND}}}, digest: 'sha256:{'0' * 64}'}}", "models.m.digest", "without a source"),
        (f"{{engine: {{kind: {KIND}, context: 3}}}}", "models.m.engine.context", "is for text models"),
        ("{source: ./digits.onnx, engine: {concurrency: 2}}", "models.m.engine.concurrency", "classes of your own"),
        ("{source: ./chat.gguf, engine: {timeout: 2s}}", "models.m.engine.timeout", "classes of your own"),
        ("{source: ./digits.onnx, engine: {env: {A: b}}}", "models.m.engine.env", "engines with a server"),
        (f"{{engine: {{kind: {KIND}, env: {{A: b}}}}, placement: {{group: g}}}}", "models.m.engine.env", "the group g"),
        (f"{{engine: {{kind: {KIND}, env: {{A-B: c}}}}}}", "models.m.engine.env.A-B", ""),
        (f"{{engine: {{kind: {KIND}, env: {{A: '${{secret:T}}'}}}}}}", "models.m.engine.env.A", "is missing or empty"),
        (f"{{engine: {{kind: {KIND}, options: {{A: '${{secret:T}}'}}}}}}", "models.m.engine.options.A", "`engine.env`"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(write: Write, model: str, place: str, words: str) -> None:
    assert any(key == place and words in problem for key, problem in problems(write, f"models: {{m: {model}}}"))


def test_no_value_of_its_variables_is_shown(write: Write) -> None:
    text = f"models: {{m: {{engine: {{kind: {KIND}, env: {{A: canary-1, B: '${{env:B}}', C: '${{secret:C}}'}}}}}}}}"
    loaded = load_manifest(write(text), env={"B": "canary-2", "C": "canary-3"})
    dumped = loaded.manifest.model_dump_json()
    assert "canary" not in dumped + repr(loaded) + repr(loaded.manifest)
    assert "***" in dumped
    assert loaded.secrets == ("C",)
    faults = problems(write, f"models: {{m: {{engine: {{kind: {KIND}, env: {{A: [canary-4]}}}}}}}}")
    assert faults
    assert "canary" not in str(faults)


def test_a_class_is_a_step_whose_variables_are_those_of_the_whole_process(write: Write) -> None:
    def text(value: str) -> str:
        one, other = (f"{{engine: {{kind: {KIND}, env: {{MODE: {mode}}}}}}}" for mode in ("fast", value))
        return f"models: {{m: {one}, n: {other}, p: {{pipeline: {{steps: {{a: {{model: m}}, b: {{model: n}}}}}}}}}}"

    assert problems(write, text("fast")) == []
    told = "`MODE` has another value at m, which shares the process of p"
    assert problems(write, text("slow")) == [("models.n.engine.env.MODE", told)]


@pytest.mark.parametrize(("environment", "is_watched"), [("development", True), ("production", False)])
def test_its_code_is_watched_in_development(write: Write, environment: str, *, is_watched: bool) -> None:
    manifest = write(f"models: {{m: {{engine: {{kind: {KIND}}}}}}}")
    code = Path(manifest).parent / "app" / "models.py"
    code.parent.mkdir()
    code.write_text("class Greeter: ...")
    loaded = load_manifest(manifest, environment=environment, env={})
    assert (code in loaded.files) is is_watched
    assert loaded.source("m") == code
    assert loaded.operations == {"m": ("infer", "predict")}
