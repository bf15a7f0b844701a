"""Pipelines in the manifest: what is right, every fault with its remedy, and what a worker is handed."""

from pathlib import Path

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.app.parts import PartSpec
from modelwright.app.plugins import PIPELINE
from modelwright.app.prices.book import PriceBook
from modelwright.app.snapshot import base_snapshot
from modelwright.app.sources.sources import Sources
from modelwright.app.supervise.plan import part_names, plan_units
from tests.unit.app.manifest.conftest import Write

DIGITS = "digits: {source: ./digits.onnx}"
CHAT = "chat: {source: ./chat.gguf}"
TOKENS = "tokens: {tokenize: ./check.json}"
MODEL = "model: {model: digits}"
WHOLE = f"{TOKENS}, {MODEL}, pooled: {{pool: mean}}, unit: {{normalize: l2}}"


def models(*lines: str) -> str:
    return "models:\n" + "".join(f"  {line}\n" for line in lines)


def pipeline(steps: str, more: str = "") -> str:
    return f"p: {{pipeline: {{steps: {{{steps}}}{more}}}}}"


def problems(write: Write, text: str) -> list[tuple[str, str, str]]:
    return [(fault.key, fault.problem, fault.remedy) for fault in check_manifest(write(text), env={}).faults]


def test_a_step_is_no_endpoint_and_has_no_process(write: Write) -> None:
    loaded = load_manifest(write(models(DIGITS, pipeline(WHOLE))), env={})
    assert loaded.operations == {"p": ("infer", "predict", "embeddings")}
    assert loaded.engines["p"] == PIPELINE
    assert part_names(loaded.manifest) == ["gateway-0", "serving-p-0", "control"]


def test_a_step_that_an_endpoint_serves_runs_by_itself_too(write: Write) -> None:
    text = models(DIGITS, pipeline(f"{TOKENS}, {MODEL}")) + "endpoints: {e: {variants: {a: {serve: digits}}}}"
    loaded = load_manifest(write(text), env={})
    assert loaded.operations == {"p": ("infer", "predict"), "e": ("infer", "predict")}
    assert part_names(loaded.manifest) == ["gateway-0", "serving-digits-0", "serving-p-0", "control"]
    snapshot = base_snapshot(loaded, runtime="/run", release="r", salt="00", prices=PriceBook(loaded.manifest, at=0.0))
    assert [provider.name for provider in snapshot.providers] == ["serving:digits", "serving:p"]


@pytest.mark.parametrize(
    ("steps", "more", "operations"),
    [
        (f"{TOKENS}, {MODEL}", "", ("infer", "predict")),
        (f"{TOKENS}, {MODEL}", ", embeddings: {}", ("infer", "predict", "embeddings")),
        (f"{MODEL}, unit: {{normalize: l2}}", "", ("infer", "predict")),
        (f"{TOKENS}, {MODEL}, pooled: {{pool: cls}}", "", ("infer", "predict", "embeddings")),
    ],
)
def test_embeddings_are_answered_from_texts_to_vectors_or_as_written(
    write: Write, steps: str, more: str, operations: tuple[str, ...]
) -> None:
    assert load_manifest(write(models(DIGITS, pipeline(steps, more))), env={}).operations["p"] == operations


FAULTS = [
    (models(DIGITS, pipeline("a: {}")), "models.p.pipeline.steps.a", "does nothing", "one of tokenize, model"),
    (
        models(DIGITS, pipeline("a: {pool: mean, normalize: l2}")),
        "models.p.pipeline.steps.a",
        "is pool and normalize at once",
        "one of",
    ),
    (
        models(DIGITS, pipeline("a: {model: digit}")),
        "models.p.pipeline.steps.a.model",
        "there is no 'digit' under `models`",
        "did you mean digits?",
    ),
    (
        models(CHAT, pipeline("a: {model: chat}")),
        "models.p.pipeline.steps.a.model",
        "'chat' is run by openvino-llm",
        "tensor",
    ),
    (models(DIGITS, pipeline("a: {model: p}")), "models.p.pipeline.steps.a.model", "is a pipeline", "steps here"),
    (
        models(DIGITS, pipeline("a: {tokenize: ./no.json}")),
        "models.p.pipeline.steps.a.tokenize",
        "does not exist",
        "tokenizer.json",
    ),
    (
        models(DIGITS, pipeline("a: {model: digits, longer: cut}")),
        "models.p.pipeline.steps.a.longer",
        "is of `tokenize`",
        "remove it",
    ),
    (
        models(DIGITS, "p: {source: ./digits.onnx, pipeline: {steps: {a: {model: digits}}}}"),
        "models.p.source",
        "stands beside `pipeline`",
        "remove it",
    ),
    (
        models(DIGITS, "p: {engine: {precision: f16}, pipeline: {steps: {a: {model: digits}}}}"),
        "models.p.engine.precision",
        "p is a pipeline",
        "at the model of the step",
    ),
    (models("p: {engine: {kind: pipeline}, source: ./x}"), "models.p.engine.kind", "no steps", "pipeline: {steps"),
    (
        models(DIGITS, pipeline(MODEL, ", embeddings: {}")),
        "models.p.pipeline.embeddings",
        "takes texts",
        "begin with `tokenize`",
    ),
    (
        models("digits: {source: ./digits.onnx, batching: {max_rows: 4}}", pipeline(MODEL)),
        "models.digits.batching",
        "digits is a step of p",
        "write it at p",
    ),
]


@pytest.mark.parametrize(("text", "key", "problem", "remedy"), FAULTS)
def test_faults_name_place_problem_and_remedy(write: Write, text: str, key: str, problem: str, remedy: str) -> None:
    found = {(one, told, how) for one, told, how in problems(write, text) if one == key}
    assert len(found) == 1, problems(write, text)
    _, told, how = found.pop()
    assert problem in told
    assert remedy.lower() in how.lower()


def test_worker_is_handed_every_step_with_its_file(write: Write, tmp_path: Path) -> None:
    steps = f"{TOKENS}, {MODEL}, pooled: {{pool: cls}}, best: {{label: [a, b], inputs: {{of: embedding}}}}"
    text = models("digits: {source: ./digits.onnx, engine: {threads: 3}}", pipeline(steps))
    loaded = load_manifest(write(text), env={})
    (tmp_path / "state").mkdir()
    located = Sources(tmp_path / "state", loaded.base_dir).of(loaded.manifest.models)
    common = PartSpec(name="", kind="", runtime="", state="", base="", environment="test")
    (unit,) = plan_units(loaded, common=common, cores=4, located=located)
    assert unit.spec.model is not None
    part = unit.spec.model.pipeline
    assert part is not None
    assert [(step.name, step.kind) for step in part.steps] == [
        ("tokens", "tokenize"),
        ("model", "model"),
        ("pooled", "pool"),
        ("best", "label"),
    ]
    tokens, model, _, best = part.steps
    assert tokens.settings == {"max_tokens": 512, "cuts": False, "datatype": "INT64"}
    assert tokens.file is not None
    assert tokens.file.path.endswith("/check.json")
    assert model.model is not None
    assert (model.model.engine, model.model.threads) == ("onnxruntime", 3)
    assert model.model.digest == located["digits"].digest
    assert (best.settings, best.inputs) == ({"label": ("a", "b")}, {"of": "embedding"})
    assert unit.spec.model.digest == located["p"].digest


def test_digest_of_a_pipeline_is_that_of_all_it_is_made_of(write: Write, folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()

    def digest(steps: str) -> str:
        loaded = load_manifest(write(models(DIGITS, pipeline(steps))), env={})
        return Sources(state, loaded.base_dir).of(loaded.manifest.models)["p"].digest

    first = digest(WHOLE)
    assert digest(WHOLE) == first
    assert digest(WHOLE.replace("mean", "cls")) != first
    (folder / "check.json").write_text('{"other": 1}', "utf-8")
    assert digest(WHOLE) != first
