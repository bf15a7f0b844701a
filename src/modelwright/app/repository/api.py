"""The admin API's routes on loaded models."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI, Response

from modelwright.app.repository.desk import RepositoryDesk


def add_repository(api: FastAPI, desk: RepositoryDesk) -> None:
    """Routes under /repository."""

    @api.get("/repository")
    async def index() -> Response:
        """Every version of every model, and whether it can be asked."""
        return _json(await desk.index())

    @api.post("/repository/{name}/load")
    async def load(name: str) -> Response:
        """Load a model, or a version `name@version` of it, that was unloaded."""
        return _json(await desk.load(name))

    @api.post("/repository/{name}/unload")
    async def unload(name: str) -> Response:
        """Unload a model, or a version of it, after its last call, until it is loaded again."""
        return _json(await desk.unload(name))


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
