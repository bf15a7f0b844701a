"""This machine as a target: put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from modelwright.adapters.targets.doing.hands import StepHands
from modelwright.adapters.targets.kept import KeptJournal, KeptLeases
from modelwright.adapters.targets.local.environment import Environment
from modelwright.adapters.targets.local.instances import LocalInstances
from modelwright.adapters.targets.local.looking import LocalObserver
from modelwright.adapters.targets.local.stock import LocalStock
from modelwright.adapters.targets.watching import KeptWatcher
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.deploying.targets import Contents, Target


def local_target(
    folder: Path, runtime: Path, *, contents: Contents, clock: Clock, version: str, env: Mapping[str, str]
) -> tuple[Target, Environment]:
    """Of the environment that lies in this folder. Before anything is changed, it is prepared.

    `runtime`: a short path to where its sockets are; `version`: of the Modelwright that runs here; `env`: variables of
    whoever deploys.
    """
    environment = Environment(folder, runtime, env=env)
    leases = KeptLeases(environment.ask)
    stock = LocalStock(environment, contents, version=version, env=env)
    instances = LocalInstances(environment, stock, leases)
    hands = StepHands(environment, leases=leases, stock=stock, instances=instances, contents=contents, clock=clock)
    target = Target(
        observer=LocalObserver(environment, stock, instances),
        hands=hands,
        journal=KeptJournal(environment.ask),
        leases=leases,
        watcher=KeptWatcher(environment.ask),
    )
    return target, environment
