"""Which engine builds the images of a target: the one that DOCKER_HOST names, else a target's own that is here."""

from __future__ import annotations

from collections.abc import Mapping

from modelwright.app.deploying.sections.targets import TargetSection

VARIABLE = "DOCKER_HOST"
_HERE = "unix://"


def building(target: TargetSection | None, variables: Mapping[str, str]) -> Mapping[str, str]:
    """What `docker` is run with; without either, its own context decides."""
    if target is None or variables.get(VARIABLE) or not target.engines[0].startswith(_HERE):
        return variables
    return {**variables, VARIABLE: target.engines[0]}
