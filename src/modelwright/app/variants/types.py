"""What is asked and told about variants, typed by pydantic for the admin API; it decides nothing."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from modelwright.app.keys.types import Spread


class WeightsWish(BaseModel):
    """New live weights of an endpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: dict[str, float] = Field(
        description="By variant; one that is not named keeps its own. Empty: back to the manifest's."
    )
    why: str = Field(description="One line for the history.")
    who: str = Field(default="", description="Over the Unix socket: who asks. Over TCP the key says so.")


class RollbackWish(BaseModel):
    """Back to the weights before the present ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    why: str = Field(description="One line for the history.")
    who: str = Field(default="", description="Over the Unix socket: who asks. Over TCP the key says so.")


class WeightsChanged(BaseModel):
    """The weights after a change."""

    endpoint: str
    weights: dict[str, float] = Field(description="By variant, as they are now.")
    spread: Spread | None = Field(description="How far the change has come.")
