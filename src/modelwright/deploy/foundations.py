"""The part of a plan that services need: they run before anything uses them, so that their data can be put back."""

from __future__ import annotations

import msgspec

from modelwright.core.deploying.steps import Bring, Keep, Place, Plan, Prove, Step
from modelwright.core.deploying.workloads import Desired


def foundations(plan: Plan, desired: Desired) -> Plan:
    """Without what is released, the edge, and the record that it serves: the next deploy goes on from there."""
    services = {one.name: one.image for one in desired.workloads if one.kind == "service"}

    def is_needed(step: Step) -> bool:
        match step:
            case Place():
                return bool(services)
            case Bring(image=image):
                return image in services.values()
            case Keep(workload=name) | Prove(workload=name):
                return name in services
            case _:
                return False

    steps = tuple(step for step in plan.steps if is_needed(step))
    return msgspec.structs.replace(plan, steps=steps, changes=(), notices=())
