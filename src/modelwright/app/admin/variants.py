"""The admin API's routes on variants: what was seen of them, and their live weights."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from modelwright.app.admin.door import who_asks
from modelwright.app.variants.desk import VariantDesk
from modelwright.app.variants.types import RollbackWish, WeightsChanged, WeightsWish


def add_variants(api: FastAPI, desk: VariantDesk) -> None:
    """Routes under /variants."""

    @api.get("/variants")
    async def look(since: str = "24h", endpoint: str | None = None) -> Response:
        """Every variant with its weight and what was seen of it, `since` a duration ago."""
        return _json(await desk.look(endpoint, within=since))

    @api.put("/variants/{endpoint}/weights")
    async def weigh(endpoint: str, wish: WeightsWish, request: Request) -> WeightsChanged:
        """Set live weights; when this is answered, the gateways answer by them."""
        return await desk.weigh(endpoint, wish, who=who_asks(request.scope, wish.who))

    @api.post("/variants/{endpoint}/rollback")
    async def roll_back(endpoint: str, wish: RollbackWish, request: Request) -> WeightsChanged:
        """Back to the weights before the present ones."""
        return await desk.roll_back(endpoint, wish, who=who_asks(request.scope, wish.who))

    @api.get("/variants/{endpoint}/history")
    async def history(endpoint: str) -> Response:
        """Who changed the weights, when and why; the newest first."""
        return _json(await desk.history(endpoint))


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
