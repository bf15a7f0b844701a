"""Processors, memory and GPUs that models ask for, in a whole `modelwright up`; the GPUs are those of a table."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.clients import patient
from tests.e2e.custom_site import predict
from tests.e2e.running import Site, modelwright, running
from tests.e2e.test_model_switch import applied, said

pytestmark = pytest.mark.e2e

CODE = """
import os
import time
from contextlib import suppress


class Seer:
    def load(self, threads: int, device: str) -> None:
        self.found = {"threads": threads, "device": device}

    def predict(self) -> dict:
        cpus = set()
        for task in os.listdir("/proc/self/task"):
            with suppress(ProcessLookupError):
                cpus |= os.sched_getaffinity(int(task))
        return {
            **self.found,
            "cpus": sorted(cpus),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "pool": os.environ["OMP_NUM_THREADS"],
        }


class Grower:
    held = []

    def predict(self, mib: int = 0, seconds: float = 0.0) -> int:
        Grower.held.append(b"x" * (mib << 20))
        time.sleep(seconds)
        return sum(map(len, Grower.held)) >> 20
"""
NVIDIA = "#!/bin/sh\n" + "".join(f"echo GPU-{letter * 4}, 81559\n" for letter in "abcde")
ALL = "0,1,2,3,4"
VLLM = Path(__file__).parent / "llm" / "servers" / "vllm_standin.py"
TEXT = """
schema: 1
name: parts
models:
  grower: {engine: {kind: "python:app:Grower"}, resources: {cpu: 1, memory: 512Mi}}
  small: {engine: {kind: "python:app:Seer"}, resources: {cpu: 0.5}}
  whole: {engine: {kind: "python:app:Seer", timeout: 60s}, resources: {cpu: 1, gpu: 1}}
  left: {engine: {kind: "python:app:Seer"}, resources: {gpu_memory: 30Gi}}
  right: {engine: {kind: "python:app:Seer"}, resources: {gpu_memory: 30Gi}}
  llm: {source: ./hf, engine: {kind: vllm, command: COMMAND}, resources: {cpu: 1, gpu: 2}}
  one: {source: ./sums.json, engine: {kind: toy-tensor}, placement: {group: pair}, resources: {cpu: 0.5, memory: 128Mi}}
  two: {source: ./sums.json, engine: {kind: toy-tensor}, placement: {group: pair}, resources: {cpu: 0.5, memory: 128Mi}}
"""
TEXT = TEXT.replace("COMMAND", json.dumps([sys.executable, str(VLLM)]))
MORE = '  other: {engine: {kind: "python:app:Seer"}, resources: {gpu: 1}}\n'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("resources")
    files(folder)
    env = {"PATH": with_gpus(folder), "CUDA_VISIBLE_DEVICES": ALL}
    with running(TEXT, folder=folder, env=env) as started:
        patient(lambda: started.call("GET", "/v2/health/ready").status == 200)
        yield started


def files(folder: Path) -> None:
    (folder / "app.py").write_text(CODE)
    (folder / "sums.json").write_text('{"toy": 1, "columns": 4}')
    (folder / "hf").mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / "hf" / name).write_text("{}")


def with_gpus(folder: Path) -> str:
    """The PATH of a machine whose `nvidia-smi` tells of five."""
    program = folder / "bin" / "nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    program.write_text(NVIDIA)
    program.chmod(0o700)
    return f"{program.parent}:{os.environ['PATH']}"


def seen(site: Site, model: str) -> dict[str, Any]:
    reply = predict(site, model, {})
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json()
    return found


def again(site: Site, name: str, *, restarts: int) -> None:
    """It was ended for what it held, and answers."""
    site.wait_for(name, "ready", restarts=restarts)
    patient(lambda: predict(site, "grower", {}).status == 200)


def test_every_thread_of_a_model_stays_on_its_processors(site: Site) -> None:
    there = os.sched_getaffinity(0)
    found = {model: seen(site, model) for model in ("small", "whole", "left")}
    assert [len(found[model]["cpus"]) for model in ("small", "whole")] == [1, 1]
    assert [found[model]["threads"] for model in ("small", "whole")] == [1, 1]
    assert [found[model]["pool"] for model in ("small", "whole")] == ["1", "1"]
    assert {*found["left"]["cpus"]} == there, "it asks for none"
    if len(there) > 1:
        (grower,) = os.sched_getaffinity(site.part("serving-grower-0").pid)
        assert grower not in found["small"]["cpus"], "another one was free"
    given = site.part("serving-small-0").given
    assert given is not None
    assert list(given.cpus) == found["small"]["cpus"]


def test_gpus_are_given_whole_or_in_parts_and_kept_over_restarts(site: Site) -> None:
    gpus = {model: seen(site, model)["gpus"] for model in ("whole", "left", "right")}
    assert gpus == {"whole": "GPU-aaaa", "left": "GPU-bbbb", "right": "GPU-bbbb"}
    assert {seen(site, model)["device"] for model in gpus} == {"cuda:0"}
    assert seen(site, "small")["gpus"] == ALL, "it asks for none"
    os.kill(site.part("serving-left-0").pid, signal.SIGKILL)
    site.wait_for("serving-left-0", "ready", restarts=1)
    patient(lambda: predict(site, "left", {}).status == 200)
    assert seen(site, "left")["gpus"] == "GPU-bbbb"


def test_an_engines_own_server_has_what_its_worker_was_given(site: Site) -> None:
    """Its keeper, and below it the server: here one that takes vLLM's arguments."""
    worker = site.part("serving-llm-0")
    below = psutil.Process(worker.pid).children(recursive=True)
    (server,) = (one for one in below if one.cmdline()[1] == str(VLLM))
    command = server.cmdline()
    assert command[command.index("--tensor-parallel-size") + 1] == "2"
    assert server.environ()["CUDA_VISIBLE_DEVICES"] == "GPU-cccc,GPU-dddd"
    assert worker.given is not None
    assert server.cpu_affinity() == list(worker.given.cpus)


def test_a_group_has_what_its_models_want_together(site: Site) -> None:
    given = site.part("serving-pair-0").given
    assert given is not None
    assert (len(given.cpus), given.memory) == (1, 256 << 20)
    assert os.sched_getaffinity(site.part("serving-pair-0").pid) == {*given.cpus}


def test_status_tells_what_each_has(site: Site) -> None:
    told = modelwright("status", "-f", str(site.manifest)).stdout
    assert "GPU GPU-aaaa" in told
    assert "up to 512 MiB" in told


def test_a_model_that_holds_too_much_ends_after_its_last_answer_and_its_neighbours_go_on(site: Site) -> None:
    """Between the bound and a quarter above: a worker has 30 to 120 MiB before it holds anything."""
    begun = len(site.lines)
    before = site.part("serving-grower-0").restarts
    reply = predict(site, "grower", {"mib": 500, "seconds": 1.0})
    assert (reply.status, reply.json()) == (200, 500), "the answer that was under way"
    patient(lambda: said(site, "may hold 512 MiB (`resources.memory`)", since=begun))
    assert seen(site, "small")
    again(site, "serving-grower-0", restarts=before + 1)
    assert said(site, "grower held", since=begun)
    assert predict(site, "grower", {}).json() == 0, "a new process"


def test_a_model_that_takes_far_too_much_is_killed_and_only_its_call_fails(site: Site) -> None:
    before = site.part("serving-grower-0").restarts
    reply = predict(site, "grower", {"mib": 900, "seconds": 3600})
    assert reply.status == 503
    assert seen(site, "small")
    again(site, "serving-grower-0", restarts=before + 1)


def test_a_new_version_has_a_gpu_beside_the_old_one_or_is_refused_by_name(site: Site) -> None:
    applied(site, TEXT.replace("timeout: 60s", "timeout: 61s"))
    patient(lambda: seen(site, "whole")["gpus"] == "GPU-eeee", waiting_for="the version beside it")
    patient(lambda: [part.name for part in site.watch().parts if "whole" in part.name] == ["serving-whole-1"])
    text = TEXT.replace("timeout: 60s", "timeout: 61s") + MORE
    applied(site, text)
    patient(lambda: predict(site, "other", {}).status == 200)
    assert seen(site, "other")["gpus"] == "GPU-aaaa", "the old version has given it back"
    begun = len(site.lines)
    site.write(text.replace("timeout: 61s", "timeout: 62s"))
    patient(lambda: said(site, "was not applied", since=begun))
    assert said(site, "whole: it wants 1 GPU(s) (`resources`), and 0 of this machine's 5 are free", since=begun)
    assert seen(site, "whole")["gpus"] == "GPU-eeee", "it goes on"


def test_what_this_machine_lacks_is_told_before_anything_starts(tmp_path: Path) -> None:
    files(tmp_path)
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text(TEXT.replace("gpu: 1", "gpu: 6") + MORE.replace("gpu: 1", "cpu: 1000"))
    env = {**os.environ, "PATH": with_gpus(tmp_path), "CUDA_VISIBLE_DEVICES": ALL}
    found = modelwright("check", "-f", str(manifest), env=env)
    assert found.returncode == 3
    assert "models.whole.resources.gpu: this machine has 5 GPUs, and whole wants 6" in found.stdout
    assert "models.other.resources.cpu: 1000 processors are wanted, and this machine lets us use" in found.stdout
    assert "Traceback" not in found.stderr
