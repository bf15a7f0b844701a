"""Port: the program in front of everything, as its keeper speaks to it, beside it on the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from modelwright.core.deploying.edges import Answered
from modelwright.core.deploying.front import Front


class Edge(Protocol):
    """Made with the folder that it shares with the edge (EDGE_FOLDER); the edge may run, or not yet, or no more."""

    async def configure(self, front: Front) -> None:
        """From now on so, and again whenever the edge is started anew: what it reads at its start is written first.

        Nothing that is open is cut; when nothing has changed, nothing is done. An edge that does not run is no fault.
        Raises StepFailed when it runs and does not take it.
        """
        ...

    async def open_streams(self, workload: str, release: str) -> int:
        """Calls and connections that it holds to instances of a workload in a release; 0 when it does not run."""
        ...

    async def seen(self, since: float) -> Sequence[Answered]:
        """What it has passed on since then (Unix seconds), oldest first, and no more than the newest 10,000."""
        ...
