"""The admin API's routes on models: documents, aliases and history; files go straight to the store of blobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from modelwright.app.admin.door import who_asks
from modelwright.app.models.desk import ModelDesk
from modelwright.app.models.types import ModelWish, RemoveWish
from modelwright.app.wishes import AliasWish


def add_models(api: FastAPI, desk: ModelDesk, *, moved: Callable[[], Awaitable[None]]) -> None:
    """Routes under /models; `moved` is called when an alias may mean something else."""

    @api.get("/models")
    async def list_models() -> Response:
        """Every model of the registry with its versions and aliases."""
        return _json(await desk.list())

    @api.get("/models/{name}/history")
    async def model_history(name: str) -> Response:
        """Who registered, moved or removed what, when and why; the oldest first."""
        return _json(await desk.history(name))

    @api.get("/models/{name}/versions/{word}")
    async def show_model(name: str, word: str) -> Response:
        """One version, by its name, an alias or its document's digest."""
        return _json(await desk.show(name, word))

    @api.put("/models/{name}/versions/{version}")
    async def push_model(name: str, version: str, wish: ModelWish, *, request: Request) -> Response:
        """Register a version, whose files are in the store of blobs already."""
        return _json(await desk.push(name, version, wish, who=who_asks(request.scope, wish.who)))

    @api.put("/models/{name}/aliases/{alias}")
    async def move_model(name: str, alias: str, wish: AliasWish, *, request: Request) -> Response:
        """Let an alias mean a version; models whose source it is change to it once it is loaded and tried."""
        line = await desk.alias(name, alias, wish, who=who_asks(request.scope, wish.who))
        await moved()
        return _json(line)

    @api.post("/models/{name}/versions/{version}/remove")
    async def remove_model(name: str, version: str, wish: RemoveWish, *, request: Request) -> Response:
        """Take a version back, unless an alias means it or something serves it."""
        return _json(await desk.remove(name, version, wish, who=who_asks(request.scope, wish.who)))

    @api.get("/blobs")
    async def owned_blobs() -> Response:
        """Digests of all files that some version needs."""
        return _json(await desk.owned())


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
