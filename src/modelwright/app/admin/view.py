"""The whole of a run as it is now: status and metrics put together from all workers; it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from modelwright.app.admin.errors import Unavailable
from modelwright.app.admin.workers import Workers
from modelwright.app.secret_stores.handing import told_of
from modelwright.core.status import Busy, Status
from modelwright.observe.aggregate import MetricSum
from modelwright.observe.control_metrics import ControlMetrics


class View:
    """Asks every worker when it is asked itself."""

    def __init__(
        self, runtime: Path, workers: Workers, *, name: str, busy: Callable[[], Busy], metrics: ControlMetrics
    ) -> None:
        """`name`, `busy` and `metrics` are control's own."""
        self._file = runtime / "status.json"
        self._workers = workers
        self._name = name
        self._busy = busy
        self._metrics = metrics
        self._sum = MetricSum()

    async def status(self) -> Status:
        """What the supervisor has written down, with the workers' own numbers. Raises Unavailable."""
        try:
            status = msgspec.json.decode(self._file.read_bytes(), type=Status)
        except (OSError, msgspec.MsgspecError) as error:
            raise Unavailable("the supervisor has not written its status yet", hint="ask again in a second") from error
        busy = {**await self._workers.busy(), self._name: self._busy()}
        parts = (msgspec.structs.replace(part, busy=busy.get(part.name)) for part in status.parts)
        return msgspec.structs.replace(status, parts=tuple(parts), secrets=told_of(self._file.parent))

    async def metrics(self) -> bytes:
        """The sum over all workers, in Prometheus' text format."""
        for part, text in (await self._workers.metrics()).items():
            self._sum.hear(part, text)
        self._sum.hear(self._name, self._metrics.text())
        return self._sum.text()
