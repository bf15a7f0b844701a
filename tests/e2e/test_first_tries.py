"""First tries at a class of one's own that go wrong: each is told with its place and what to do."""

from pathlib import Path

import msgspec
import pytest

from tests.e2e.clients import patient
from tests.e2e.running import running

pytestmark = pytest.mark.e2e

FIRST_TRIES = """
from modelwright import Tensor


class Greeter:
    def predict(self, name: str) -> str:
        return name


class Unread:
    def load(self):
        self.table = open("table.txt").read()

    def predict(self, x: int):
        return x


class Sized:
    def __init__(self, size):
        self.size = size


class Selfless:
    def predict(name: str):
        return name


class Yields:
    def predict(self, x: int):
        yield x


class Raises:
    inputs = {"x": Tensor("FP32", -1, 2)}
    outputs = {"y": Tensor("FP32", -1, 2)}

    def predict(self, x):
        raise ZeroDivisionError("by nothing")


class Misnamed(Raises):
    def predict(self, y):
        return y


def function(x: int):
    return x
"""
TOLD = {
    "tries:Greter": "module tries has no class Greter (did you mean Greeter?",
    "trys:Greeter": "there is no module 'trys' (write trys.py in ",
    "tries:Unread": "Unread.load failed: tries.py, line 12: FileNotFoundError: [Errno 2] No such file or directory",
    "tries:Sized": "tries.py, line 19: Sized() needs 'size', and is made without (give it a default, or take it in",
    "tries:Selfless": "tries.py, line 24: predict does not begin with `self` (write `def predict(self, …)`)",
    "tries:Yields": "tries.py, line 29: predict yields pieces, and an answer is one value (call it predict_stream",
    "tries:Raises": "was not answered: predict failed: tries.py, line 38: ZeroDivisionError: by nothing",
    "tries:Misnamed": "tries.py, line 42: Misnamed declares the input 'x', and its predict takes y (write `def predict",
    "tries:function": "tries.py, line 46: function in module tries is a function, and no class (write a class with",
    "needy:Model": "needy.py, line 1: ModuleNotFoundError: No module named 'nowhere_' (install nowhere_, or correct",
    "lonely:Model": "lonely.py, line 1: ImportError: attempted relative import with no known parent package (leave the",
    "pack.away:Model": "pack/away.py, line 1: ModuleNotFoundError: No module named 'pack.gone' (write pack/gone.py, or",
    "json:Model": "json/__init__.py, and not json.py (give json.py another name)",
    "cut:Model": "cut.py, line 2: expected ':' (mend the file)",
}
"""What is said of first tries that go wrong, each with its place and a remedy."""


def test_first_tries_that_go_wrong_are_told_with_place_and_remedy(tmp_path: Path) -> None:
    files = {
        "tries.py": FIRST_TRIES,
        "needy.py": "import nowhere_\n",
        "lonely.py": "from .other import x\n",
        "pack/away.py": "from .gone import x\n",
        "json.py": "class Model: ...\n",
        "cut.py": "class Model:\n    def predict(self)\n        return 3\n",
        "fine.py": "import sys\n\nprint('printed')\nprint('to stderr', file=sys.stderr)\n\n\n"
        "class Fine:\n    def predict(self, x: int) -> int:\n        return x\n",
    }
    (tmp_path / "pack").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    models = [*TOLD, "fine:Fine"]
    lines = [f'  m{number}: {{engine: {{kind: "python:{model}"}}}}' for number, model in enumerate(models)]
    plain = '  step: {engine: {kind: "python:tries:Greeter"}}\n  whole: {pipeline: {steps: {only: {model: step}}}}'
    manifest = "\n".join(["schema: 1", "name: tries", "models:", *lines, plain, ""])
    with running(manifest, folder=tmp_path, ready=False) as site:
        for number, (model, words) in enumerate(TOLD.items()):
            assert words in site.part(f"serving-m{number}-0").detail, model
        assert "tries:Greeter declares no tensors, and steps give" in site.part("serving-whole-0").detail
        assert site.part(f"serving-m{len(TOLD)}-0").state == "ready"

        def printed() -> list[str]:
            return [line for line in site.lines if '"message":"printed"' in line or '"message":"to stderr"' in line]

        patient(lambda: len(printed()) == 2, waiting_for="what the class prints")
        assert [msgspec.json.decode(line)["level"] for line in printed()] == ["info", "warning"]
