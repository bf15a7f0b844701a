"""The admin API's routes on prompts: their versions, aliases and history."""

from __future__ import annotations

import msgspec
from fastapi import FastAPI, Request, Response

from modelwright.app.admin.door import who_asks
from modelwright.app.prompts.desk import (
    PromptChanged,
    PromptDesk,
    PromptLine,
    PromptShown,
    PushWish,
    RenderWish,
)
from modelwright.app.wishes import AliasWish


def add_prompts(api: FastAPI, desk: PromptDesk) -> None:
    """Routes under /prompts."""

    @api.get("/prompts")
    async def list_prompts() -> list[PromptLine]:
        """Every prompt with its versions and aliases."""
        return await desk.list()

    @api.get("/prompts/{name}/history")
    async def history(name: str) -> Response:
        """Who registered or moved what, when and why; the oldest first."""
        return Response(msgspec.json.encode(await desk.history(name)), media_type="application/json")

    @api.get("/prompts/{name}/versions/{word}")
    async def show(name: str, word: str) -> PromptShown:
        """One version, by its name, an alias or its digest."""
        return await desk.show(name, word)

    @api.put("/prompts/{name}/versions/{version}")
    async def push(name: str, version: str, wish: PushWish, *, request: Request) -> PromptChanged:
        """Register a version."""
        return await desk.push(name, version, wish, who=who_asks(request.scope, wish.who))

    @api.put("/prompts/{name}/aliases/{alias}")
    async def move(name: str, alias: str, wish: AliasWish, *, request: Request) -> PromptChanged:
        """Let an alias mean a version; when this is answered, the gateways answer by it."""
        return await desk.alias(name, alias, wish, who=who_asks(request.scope, wish.who))

    @api.post("/prompts/{name}/versions/{word}/render")
    async def render(name: str, word: str, wish: RenderWish) -> list[dict[str, str]]:
        """The messages that a call with these values would get."""
        return await desk.render(name, word, wish)
