"""The admin API's routes on tasks: the operator sees and cancels everybody's."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from modelwright.app.tasks.desk import TaskDesk
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.tasks.store import Wanted
from modelwright.core.tasks.task import STATUSES


class TaskFilter(BaseModel):
    """Which tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(default=20, ge=1, le=100)
    after: str = ""
    tenant: str | None = None
    status: str | None = None


def add_tasks(api: FastAPI, desk: TaskDesk) -> None:
    """Routes under /tasks."""

    @api.get("/tasks")
    async def list_tasks(wanted: Annotated[TaskFilter, Query()]) -> Response:
        """Tasks of all tenants, the newest first, without answers."""
        if wanted.status is not None and wanted.status not in STATUSES:
            raise Unprocessable(f"there is no status {wanted.status!r}", hint=f"one of {', '.join(STATUSES)}")
        asked = Wanted(tenant=wanted.tenant, status=wanted.status, after=wanted.after)
        return _json(await desk.listed(asked, most=wanted.limit))

    @api.get("/tasks/{task_id}")
    async def show_task(task_id: str) -> Response:
        """One with its answer."""
        return _json(await desk.shown(await desk.find(task_id)))

    @api.post("/tasks/{task_id}/cancel")
    async def cancel_task(task_id: str) -> Response:
        """Do not run it, or not to its end; one that has ended stays as it is."""
        return _json(await desk.shown(await desk.cancel(task_id)))


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
