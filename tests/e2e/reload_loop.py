"""Unloads and loads a model again and again under load, and weighs every process after each time."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from modelwright.app.repository.desk import RepositoryDesk
from tests.e2e.clients import Hammer, patient
from tests.e2e.running import Site, running
from tests.making.onnx_models import double

TEXT = """
schema: 1
name: reloads
models:
  again: {source: ./double.onnx}
  stays: {source: ./double.onnx}
"""
INFER = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,4],"data":[1,2,3,4]}]}'


class Found(NamedTuple):
    """What was seen."""

    weights: list[dict[str, int]]
    """Bytes by process, after each reload; the one that is loaded anew under its model's name."""
    answered: int
    lost: list[str]
    """Calls of the model that stays which were not answered 200."""

    def growth(self, process: str, *, warm: int, over: int) -> float:
        """Share by which the last so many weights exceed as many after the first `warm`."""
        weights = [weight[process] for weight in self.weights[warm:]]
        return fmean(weights[-over:]) / fmean(weights[:over]) - 1


def reload_again_and_again(folder: Path, *, reloads: int) -> Found:
    """Run a site of its own for it."""
    double(folder / "double.onnx")
    weights: list[dict[str, int]] = []
    with running(TEXT, folder=folder) as site:
        desk, key = RepositoryDesk(site.runtime), f"Bearer {site.key}"
        with Hammer(site.port, "/v2/models/stays/infer", connections=1, body=INFER, authorization=key) as hammer:
            for _ in range(reloads):
                asyncio.run(desk.unload("again"))
                asyncio.run(desk.load("again"))
                reply = site.call("POST", "/v2/models/again/infer", INFER)
                assert reply.status == 200, reply.body
                patient(lambda: _are_two(site), waiting_for="the one before to end")
                weights.append({name: _bytes(pid) for name, pid in _processes(site).items()})
    return Found(weights, hammer.answered, hammer.lost)


def _are_two(site: Site) -> bool:
    """The one that is loaded anew and the one that stays; nobody who leaves."""
    return [part.state for part in site.watch().parts if part.kind == "serving"] == ["ready", "ready"]


def _serving(site: Site) -> dict[str, int]:
    return {part.name.split("-")[1]: part.pid for part in site.watch().parts if part.kind == "serving" and part.pid}


def _processes(site: Site) -> Mapping[str, int]:
    others = {part.name: part.pid for part in site.watch().parts if part.kind in {"gateway", "control"}}
    return {"supervisor": site.pid, **others, **_serving(site)}


def _bytes(pid: int) -> int:
    """Private memory: what files are mapped by several is nobody's growth."""
    fields = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Private_Dirty", "Private_Clean"))
