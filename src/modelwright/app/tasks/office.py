"""Tasks for the command line, through control; while nothing runs nobody can tell of them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode

from modelwright.app.supervise.control import Control
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.tasks import TasksUnavailable, UnknownTask


class TaskOffice:
    """The verbs of `modelwright tasks`; they block and raise what `Control` raises. All give JSON."""

    def __init__(self, state: Path) -> None:
        self._control = Control(state, refusals=(TasksUnavailable, UnknownTask, Unprocessable))

    def list(self, *, tenant: str | None, status: str | None, after: str | None, most: int) -> bytes:
        """A page, the newest first."""
        asked = {"limit": most, "tenant": tenant, "status": status, "after": after}
        return self._control.ask(
            "GET", f"/tasks?{urlencode({name: value for name, value in asked.items() if value is not None})}"
        )

    def show(self, task: str) -> bytes:
        """One with its answer."""
        return self._control.ask("GET", f"/tasks/{quote(task, safe='')}")

    def cancel(self, task: str) -> bytes:
        """Likewise, as it is then."""
        return self._control.ask("POST", f"/tasks/{quote(task, safe='')}/cancel")
