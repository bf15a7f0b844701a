"""The manifest's section `rollout`: how traffic goes over to a new release, and what that has to show meanwhile."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelwright.app.manifest.sections.section import Duration, Section

Percent = Annotated[str, StringConstraints(pattern=r"^(100|[1-9][0-9]?)%$")]
Share = Annotated[str, StringConstraints(pattern=r"^(100|[0-9]{1,2}(\.[0-9]{1,4})?)%$")]


class GatesSection(Section):
    """Thresholds over the calls of the new release; one that is left out holds nothing up."""

    success_rate: Share | Literal[""] = Field(default="", description="Share of its calls that has to end well, 99%.")
    latency: Duration | Literal[""] = Field(default="", description="Time that half of its calls may take at most.")
    errors: int | None = Field(default=None, ge=0, description="Calls that may fail at each step.")
    calls: int = Field(default=50, ge=1, le=1_000_000, description="Fewer calls say nothing.")
    wait: Duration = Field(default="10m", description="Time to wait for as many when a step's `pause` is over.")


class RolloutSection(Section):
    """How traffic goes over to a new release."""

    steps: tuple[Percent, ...] = Field(
        default=(),
        strict=False,
        description="Shares of the new release, rising; where the last one is below 100%, it stays on trial until "
        "`modelwright promote`. Left out, all traffic goes over at once.",
    )
    pause: Duration = Field(default="5m", description="Time for which it is watched at each share below 100%.")
    gates: GatesSection = Field(default_factory=GatesSection, description="What it has to show meanwhile.")
    on_no_data: Literal["hold", "advance", "roll_back"] = Field(
        default="hold", description="What becomes of it when too few calls came; hold keeps its share."
    )
