"""Which tensor goes where, and every mismatch found before anything is computed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from modelwright.core.errors.calls import EngineFailed
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import EngineConfig
from modelwright.serving.pipelines.arithmetic import Activate, Label, Normalize, Pool
from modelwright.serving.pipelines.graph import Wiring
from modelwright.serving.pipelines.pipeline import Pipeline
from modelwright.serving.pipelines.step import Socket, Step
from tests.unit.serving.pipelines.parts import Declared, letters, spec, texts

CONFIG = EngineConfig(model="whole", path="")
X = np.ones((3, 4), np.float32)
Steps = Sequence[tuple[Wiring, Step]]


def wired(name: str, inputs: Mapping[str, str] | None = None, outputs: Mapping[str, str] | None = None) -> Wiring:
    return Wiring(name=name, inputs=inputs or {}, outputs=outputs or {})


def refused(steps: Steps, give: Mapping[str, str] | None = None) -> StartError:
    with pytest.raises(StartError) as caught:
        Pipeline(steps, give=give or {}).load(CONFIG)
    assert caught.value.hint
    return caught.value


def test_a_line_of_steps_needs_no_names() -> None:
    steps = [
        (wired("one"), Declared([spec("x")], [spec("y")])),
        (wired("two"), Declared([spec("z")], [spec("logits")])),
        (wired("three"), Activate("softmax")),
    ]
    pipeline = Pipeline(steps, give={})
    signature = pipeline.load(CONFIG)
    assert signature.inputs == (spec("x"),)
    assert signature.outputs == (spec("probabilities"),)
    assert signature.batches
    np.testing.assert_allclose(pipeline.predict({"x": X})["probabilities"], np.full((3, 4), 0.25))


def test_two_models_read_the_same_and_both_answer() -> None:
    first = Declared([spec("x")], [spec("left")])
    second = Declared([spec("left")], [spec("y")])
    third = Declared([spec("left")], [spec("y")])
    steps = [(wired("a"), first), (wired("b"), second), (wired("c"), third)]
    pipeline = Pipeline(steps, give={"b": "b.y", "c": "y"})
    assert [one.name for one in pipeline.load(CONFIG).outputs] == ["b", "c"]
    assert set(pipeline.predict({"x": X})) == {"b", "c"}


def test_named_tensors_make_any_graph() -> None:
    add = Declared([spec("one"), spec("other")], [spec("sum")])
    steps = [
        (wired("a"), Declared([spec("x")], [spec("y")])),
        (wired("b", {"x": "request.second"}, {"y": "kept"}), Declared([spec("x")], [spec("y")])),
        (wired("c", {"one": "a.y", "other": "kept"}), add),
        (wired("d", {"one": "sum", "other": "request.x"}), Declared([spec("one"), spec("other")], [spec("end")])),
    ]
    pipeline = Pipeline(steps, give={})
    assert [one.name for one in pipeline.load(CONFIG).inputs] == ["x", "second"]
    found = pipeline.predict({"x": X, "second": 10 * X})
    np.testing.assert_array_equal(found["end"], 12 * X)


@pytest.mark.parametrize(
    ("given", "wanted", "words"),
    [
        (spec("y", shape=(-1, 3)), spec("z"), "'z' takes shape [-1, 4], and gets 'y', FP32 of shape [-1, 3]"),
        (spec("y", shape=(-1, 4, 4)), spec("z"), "takes shape [-1, 4]"),
        (spec("y", "INT64"), spec("z"), "'z' takes FP32, and gets 'y', INT64"),
    ],
)
def test_tensors_that_do_not_fit_are_found_at_load(given: object, wanted: object, words: str) -> None:
    steps = [(wired("one"), Declared([spec("x")], [given])), (wired("two"), Declared([wanted], [spec("end")]))]  # type: ignore[list-item]
    error = refused(steps)
    assert words in error.message
    assert error.place == "model whole, step two"
    assert all(step.closed for _, step in steps)


@pytest.mark.parametrize(
    ("wiring", "words", "hint"),
    [
        (wired("two", {"zz": "y"}), "it has no input 'zz'", "did you mean z?"),
        (wired("two", {"z": "yy"}), "there is no tensor 'yy' by then", "did you mean y?"),
        (wired("two", {"z": "two.end"}), "there is no tensor 'two.end'", ""),
        (wired("two", None, {"ende": "e"}), "it has no output 'ende'", "did you mean end?"),
    ],
)
def test_names_that_do_not_exist_are_told_with_the_nearest(wiring: Wiring, words: str, hint: str) -> None:
    steps = [(wired("one"), Declared([spec("x")], [spec("y")])), (wiring, Declared([spec("z")], [spec("end")]))]
    error = refused(steps)
    assert words in error.message
    assert hint in error.hint


def test_what_cannot_be_told_is_asked_for() -> None:
    both = Declared([spec("x")], [spec("y"), spec("z")])
    error = refused([(wired("one"), both), (wired("two"), Normalize())])
    assert "which tensor its input 'of' takes: there are y, z" in error.message
    error = refused([(wired("one"), both), (wired("two"), Declared([spec("p"), spec("q")], [spec("end")]))])
    assert "which tensor its input 'p' takes" in error.message


def test_arithmetic_says_what_it_works_on() -> None:
    flat = Declared([spec("x")], [spec("y", shape=(-1,))])
    assert "works on [rows, size]" in refused([(wired("a"), flat), (wired("b"), Normalize())]).message
    assert "works on [rows, scores]" in refused([(wired("a"), flat), (wired("b"), Activate("sigmoid"))]).message
    wide = Declared([spec("x")], [spec("y")])
    assert "works on [rows, tokens, size]" in refused([(wired("a"), wide), (wired("b"), Pool("mean"))]).message
    assert "2 labels, and 'y' has 4 scores" in refused([(wired("a"), wide), (wired("b"), Label(["n", "p"]))]).message
    assert "let a model stand before it" in refused([(wired("b"), Normalize())]).hint
    assert "no tensor 'nowhere'" in refused([(wired("a"), wide)], {"out": "nowhere"}).message


def test_failure_names_its_step() -> None:
    class Broken(Declared):
        def run(self, inputs: Mapping[str, object]) -> dict[str, object]:  # type: ignore[override]
            raise ZeroDivisionError("by zero")

    steps = [(wired("one"), Declared([spec("x")], [spec("y")])), (wired("two"), Broken([spec("y")], [spec("z")]))]
    pipeline = Pipeline(steps, give={})
    pipeline.load(CONFIG)
    with pytest.raises(EngineFailed, match="step two failed: ZeroDivisionError: by zero"):
        pipeline.predict({"x": X})
    whole = letters()
    whole.load(CONFIG)
    with pytest.raises(EngineFailed, match="step spread: the batch holds the poison"):
        whole.predict(texts("a!"))


def test_optional_input_is_taken_when_it_is_there() -> None:
    mask = Socket("attention_mask", ("INT64",), (-1, -1), optional=True)
    step = Declared([Socket("of", ("FP32",)), mask], [spec("end")])
    pipeline = Pipeline([(wired("a"), Declared([spec("x")], [spec("y")])), (wired("b"), step)], give={})
    pipeline.load(CONFIG)
    assert set(pipeline.predict({"x": X})) == {"end"}


def test_only_tokens_that_somebody_takes_are_made() -> None:
    pipeline = letters()
    pipeline.load(CONFIG)
    assert pipeline.front is not None
    assert pipeline.front.makes == ("input_ids", "attention_mask")
    np.testing.assert_allclose(pipeline.predict(texts("ab", "c"))["embedding"], [[97.5, 1], [99, 1]])


def test_pipeline_that_is_not_loaded_or_closed_says_so() -> None:
    pipeline = letters()
    with pytest.raises(EngineFailed, match="not loaded"):
        pipeline.predict(texts("a"))
    pipeline.load(CONFIG)
    pipeline.close()
    with pytest.raises(EngineFailed, match="not loaded"):
        pipeline.predict(texts("a"))
