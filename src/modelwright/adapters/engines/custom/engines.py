"""The engine of a class of the user's, by what it declares; it runs nothing of it yet but its module."""

from __future__ import annotations

from modelwright.adapters.engines.custom.loading import Home, find_class
from modelwright.adapters.engines.custom.plain import PlainCustomEngine
from modelwright.adapters.engines.custom.prints import catch_prints
from modelwright.adapters.engines.custom.tensors import TensorCustomEngine
from modelwright.core.ports.engines import CustomEngine, TensorEngine


def engine_of(
    kind: str, *, folders: tuple[str, ...], place: str, at_once: int, seconds: float
) -> tuple[TensorEngine | None, CustomEngine | None]:
    """Exactly one of both; what the class prints from now on becomes log lines. Raises StartError."""
    home = Home(kind=kind, folders=folders, place=place)
    catch_prints(home.module)
    found = find_class(home)
    if hasattr(found, "inputs"):
        return TensorCustomEngine(found, home, seconds=seconds), None
    return None, PlainCustomEngine(found, home, at_once=at_once)
