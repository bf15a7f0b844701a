"""The variables and secrets of one part, as they are at each look."""

from __future__ import annotations

from pathlib import Path

from modelwright.app.parts import PartSpec
from modelwright.app.secret_stores.handing import Handed
from modelwright.app.settings.settings import FreshSecrets, Settings


def read_settings(spec: PartSpec, handed: Handed) -> Settings:
    """As they are now. Raises ModelwrightError."""
    return Settings(Path(spec.base), environment=spec.environment, state=Path(spec.state), handed=handed.get)


def fresh_secrets(spec: PartSpec, handed: Handed, *, first: Settings) -> FreshSecrets:
    """As they are whenever one is asked for."""

    def read() -> Settings:
        handed.look()
        return read_settings(spec, handed)

    return FreshSecrets(read, first=first)
