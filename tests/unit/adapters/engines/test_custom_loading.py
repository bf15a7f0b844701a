"""A class of the user's: found, made and loaded, or refused with the file and line of what is wrong."""

import itertools
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelwright.adapters.engines.custom.loading import Home, find_class, make
from modelwright.adapters.engines.custom.plain import PlainCustomEngine
from modelwright.adapters.engines.custom.prints import Prints
from modelwright.adapters.engines.custom.tensors import TensorCustomEngine
from modelwright.core.errors.calls import EngineFailed, Unprocessable
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import EngineConfig

NUMBERS = itertools.count()
Write = Callable[..., Home]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module of a name of its own, and say where its class is."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def written(text: str, name: str = "Model") -> Home:
        module = f"custom_{next(NUMBERS)}"
        (tmp_path / f"{module}.py").write_text(text)
        return Home(kind=f"python:{module}:{name}", folders=(str(tmp_path),), place="model m")

    return written


def config(**fields: Any) -> EngineConfig:
    return EngineConfig(**{"model": "m", "path": "", **fields})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Model:\n    def (", r"\.py, line 2: invalid syntax"),
        (
            "import json\nimport no_such_thing_\n",
            r"\.py, line 2: ModuleNotFoundError: No module named 'no_such_thing_'",
        ),
        ("\n\nx = 1 / 0\n", r"\.py, line 3: ZeroDivisionError"),
        ("raise SystemExit(3)\n", r"\.py, line 1: SystemExit: 3"),
        (
            "class Other: ...\nModel = 3\n",
            r"Model in module custom_\d+ is of type int, and no class .*its classes are Other",
        ),
        ("\ndef Model(name): ...\n", r"\.py, line 2: Model in module custom_\d+ is a function.*method predict"),
        ("class Modell: ...\n", r"has no class Model did you mean Modell\?"),
        ("from .other import x\n", r"\.py, line 1: ImportError.*leave the dot out"),
        ("class Other: ...\n", r"has no class Model.*Other"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_line(write: Write, text: str, words: str) -> None:
    with pytest.raises(StartError) as caught:
        find_class(write(text))
    error = caught.value
    assert error.place == "model m"
    assert re.search(words, f"{error.message} {error.hint}"), error


def test_a_module_that_is_missing_is_named(tmp_path: Path) -> None:
    home = Home(kind="python:no_such_module_.models:Model", folders=(str(tmp_path),), place="model m")
    with pytest.raises(StartError, match="no module 'no_such_module_'") as caught:
        find_class(home)
    assert str(tmp_path) in caught.value.hint


def test_a_file_that_is_called_as_a_module_of_python_is_told(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("class Model: ...\n")
    with pytest.raises(StartError, match=r"and not json\.py") as caught:
        find_class(Home(kind="python:json:Model", folders=(str(tmp_path),), place="model m"))
    assert "another name" in caught.value.hint


def test_load_gets_what_it_asks_for(write: Write, tmp_path: Path) -> None:
    load = "def load(self, options, path, threads=9, extra=3):\n        self.seen = (options, path, threads, extra)"
    home = write(f"class Model:\n    {load}\n")
    made = make(find_class(home), home, config=config(path=str(tmp_path), options={"a": 1}, threads=2))
    assert made.seen == ({"a": 1}, tmp_path, 2, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class Model:\n    def load(self, weights): ...\n", r"line 2: Model.load asks for 'weights'"),
        ("class Model:\n    def load(self, option): ...\n", r"asks for 'option'.*did you mean options\?"),
        ("class Model:\n    def predct(self): ...\n", r"line 2: Model has no method predict, but one called predct"),
        (
            "class Model:\n    def predict(name: str): ...\n",
            r"line 2: predict does not begin with `self`.*def predict\(self",
        ),
        ("class Model:\n    def predict(): ...\n", r"line 2: predict does not begin with `self`"),
        ("class Model:\n    def predict(self):\n        yield 1\n", r"line 2: predict yields pieces.*predict_stream"),
        ("class Model:\n    def load(self):\n        raise OSError('gone')\n", r"line 3: OSError: gone"),
        ("class Model:\n    def __init__(self, x): ...\n", r"line 2: Model\(\) needs 'x'.*engine.options"),
        ("\nclass Model: ...\n", r"line 2: Model has no method predict"),
        ("class Model:\n    predict = 3\n", "predict is no method"),
        ("class Model:\n    def predict(self, **more): ...\n", r"line 2: the method takes \*\*more"),
        ("class Model:\n    def predict_stream(self): return []\n", "does not yield"),
    ],
)
def test_a_class_that_cannot_be_served_is_told_with_its_line(write: Write, text: str, words: str) -> None:
    home = write(text)
    with pytest.raises(StartError) as caught:
        PlainCustomEngine(find_class(home), home).load(config())
    assert re.search(words, f"{caught.value.message} {caught.value.hint}"), caught.value


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("inputs = {}", "declares no inputs"),
        ("inputs = {'y': Tensor('FP32', -1)}; outputs = inputs", r"declares the input 'y', and its predict takes x"),
        ("inputs = {'x': Tensor('FP32', -1), 'y': Tensor('FP32', -1)}; outputs = inputs", r"the input 'y', and its"),
        ("inputs = {'x': 'FP32'}", r"declares inputs\['x'\] as no Tensor"),
        ("inputs = {'x': Tensor('FP32', -1)}", "declares no outputs"),
    ],
)
def test_tensors_that_are_declared_badly_are_named(write: Write, declared: str, words: str) -> None:
    home = write(f"from modelwright import Tensor\nclass Model:\n    {declared}\n    def predict(self, x): ...\n")
    with pytest.raises(StartError, match=words):
        TensorCustomEngine(find_class(home), home, seconds=60).load(config())


CALLS = """
from modelwright import Unprocessable
class Model:
    def predict(self, how: str):
        if how == "refuse":
            raise Unprocessable("not this one", param="how")
        if how == "fail":
            raise ValueError("the password is 1234")
        return object() if how == "odd" else how
    async def predict_stream(self, how: str):
        for letter in how:
            if letter == "!":
                raise ValueError("the password is 1234")
            yield letter
"""


def test_calls_answer_refuse_and_fail(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    home = write(CALLS)
    engine = PlainCustomEngine(find_class(home), home)
    engine.load(config())
    assert engine.read(b'{"how": "well"}', stream=False).answer().result().body == b'"well"'
    with pytest.raises(Unprocessable, match="not this one"):
        engine.read(b'{"how": "refuse"}', stream=False).answer().result()
    for how in (b"fail", b"odd"):
        with pytest.raises(EngineFailed) as caught:
            engine.read(b'{"how": "%b"}' % how, stream=False).answer().result()
        assert "1234" not in str(caught.value)
        assert "'m'" in caught.value.message
    assert "the password is 1234" in caplog.text
    engine.close()


def test_pieces_come_one_by_one_and_end(write: Write) -> None:
    home = write(CALLS)
    engine = PlainCustomEngine(find_class(home), home)
    assert engine.load(config()).pieces == {}
    pieces = engine.read(b'{"how": "ab!"}', stream=True).pieces()
    assert [pieces.next().result(), pieces.next().result()] == [b'"a"', b'"b"']
    with pytest.raises(EngineFailed):
        pieces.next().result()
    assert pieces.next().result() is None
    pieces.close().result()
    engine.close()


def test_prints_become_whole_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    out = Prints(logging.getLogger("app.models"))
    print("one", "two", file=out)
    print("half", end="", file=out)
    assert caplog.messages == ["one two"]
    out.flush()
    print("\n\nlast", file=out)
    assert caplog.messages == ["one two", "half", "last"]
    print("careful", file=Prints(logging.getLogger("app.models"), logging.WARNING))
    assert caplog.records[-1].levelname == "WARNING"


def test_what_the_log_says_of_itself_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("app.models.self")
    out = Prints(logger)

    class Complaining(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("no room for", record.getMessage(), file=out)

    logger.addHandler(Complaining())
    print("one", file=out)
    assert caplog.messages == []
    caplog.set_level(logging.INFO)
    print("two", file=out)
    assert caplog.messages == ["two"]


BATCHES = """
import numpy as np
from modelwright import Tensor
class Model:
    inputs = {"x": Tensor("FP32", -1, 2), "t": Tensor("BYTES", -1)}
    outputs = {"y": Tensor(np.float32, -1, 2), "t": Tensor("BYTES", -1)}
    def load(self, options):
        self.how = options.get("how")
    async def predict(self, x, t):
        match self.how:
            case "short":
                return {"y": x[:, :1], "t": t}
            case "none":
                return {"y": x}
            case "exit":
                raise ZeroDivisionError("the password is 1234")
            case "late" if (x == 9).any():
                raise ZeroDivisionError("the password is 1234")
        return {"t": [text.decode().upper() for text in t], "y": x.astype(np.float64) * 2, "more": 1}
"""


def batched(write: Write, how: str = "") -> TensorCustomEngine:
    home = write(BATCHES)
    engine = TensorCustomEngine(find_class(home), home, seconds=60)
    signature = engine.load(config(options={"how": how}))
    assert signature.batches
    assert not signature.inline
    return engine


def test_batches_go_in_and_come_out_as_declared(write: Write) -> None:
    texts = np.array([b"a", b"b"], object)
    found = batched(write).predict({"x": np.ones((2, 2), np.float32), "t": texts})
    assert list(found) == ["y", "t"]
    assert (found["y"].dtype, found["y"].tolist()) == (np.float32, [[2, 2], [2, 2]])
    assert found["t"].tolist() == [b"A", b"B"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("short", r"gave 'y' of shape \[1, 1\], not \[-1, 2\]"),
        ("none", "no output 't'"),
    ],
)
def test_a_batch_that_does_not_come_out_as_declared_has_failed(write: Write, how: str, words: str) -> None:
    engine = batched(write, how)
    with pytest.raises(EngineFailed, match=words):
        engine.predict({"x": np.ones((1, 2), np.float32), "t": np.array([b"a"], object)})


def test_what_it_raised_is_told_to_its_author_while_it_is_tried_and_to_no_client(write: Write) -> None:
    def ask(engine: TensorCustomEngine, value: int) -> object:
        return engine.predict({"x": np.full((1, 2), value, np.float32), "t": np.array([b"a"], object)})

    with pytest.raises(EngineFailed, match=r"predict failed: custom_\d+\.py, line 16: ZeroDivisionError: the password"):
        ask(batched(write, "exit"), 1)
    late = batched(write, "late")
    ask(late, 1)
    with pytest.raises(EngineFailed, match="failed on this request") as caught:
        ask(late, 9)
    assert "1234" not in str(caught.value)


def test_the_classes_of_the_example_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(Path(__file__).parents[4] / "examples" / "custom")
    monkeypatch.syspath_prepend(folder)
    greeter, norm = (
        Home(kind=f"python:app.models:{name}", folders=(folder,), place="model m") for name in ("Greeter", "Norm")
    )
    plain = PlainCustomEngine(find_class(greeter), greeter)
    plain.load(config(options={"word": "Hi"}))
    assert plain.read(b'{"name": "Ada"}', stream=False).answer().result().body == b'{"message":"Hi, Ada!"}'
    batches = TensorCustomEngine(find_class(norm), norm, seconds=60)
    batches.load(config())
    assert batches.predict({"x": np.array([[3, 4]], np.float32)})["norm"].tolist() == [5]
