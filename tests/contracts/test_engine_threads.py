"""One budget of threads for every engine that multiplies matrices: as many as configured, asleep when nothing runs."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contracts.engine_threads import COLUMNS, REST
from tests.making import onnx_models, tflite_models, torch_models
from tests.making.openvino_models import converted

MODELS: dict[str, Callable[[Path], Path]] = {
    "onnxruntime": lambda folder: onnx_models.product(folder / "m.onnx", columns=COLUMNS),
    "openvino": lambda folder: converted(onnx_models.product(folder / "m.onnx", columns=COLUMNS), folder / "m.xml"),
    "tflite": lambda folder: tflite_models.product(folder / "m.tflite", columns=COLUMNS),
    "torch": lambda folder: torch_models.product(folder / "m.pt2", columns=COLUMNS),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", MODELS)
def test_threads_are_as_many_as_configured_and_sleep_when_nothing_runs(tmp_path: Path, kind: str, threads: int) -> None:
    command = [sys.executable, "-m", "tests.contracts.engine_threads", kind, str(MODELS[kind](tmp_path)), str(threads)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told = json.loads(found.stdout.splitlines()[-1])
    assert told["busy"] <= threads + 1, "the engine's own, and the caller, who copies while they wait"
    assert told["at_once"] <= threads + 0.25
    assert told["resting"] <= REST / 5, "a spinning pool takes all of it"
