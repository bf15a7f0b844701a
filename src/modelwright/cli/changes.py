"""What commands that change a running site have in common: who asks, and how far the change has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import typer


class Spread(Protocol):
    """How far a change has come, as control tells it."""

    @property
    def problem(self) -> str: ...

    @property
    def unconfirmed(self) -> Sequence[str]: ...


def who_asks() -> str:
    """Who stands in a history: the user's name on this machine."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"


def tell_spread(spread: Spread | None, lag: str = "does not know it yet") -> None:
    """What running gateways have not confirmed; None: nothing runs that would have to learn of it."""
    if spread is None:
        return
    if spread.problem:
        typer.echo(f"The gateway {lag}: {spread.problem}. It is tried again twice a second.", err=True)
    for worker in spread.unconfirmed:
        typer.echo(f"{worker} has not answered and perhaps {lag}; it looks twice a second.", err=True)
