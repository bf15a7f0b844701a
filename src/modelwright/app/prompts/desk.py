"""The admin's verbs on prompts: look at versions, register one, move an alias, fill one in; control does them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from modelwright.app.keys.desk import Tell
from modelwright.app.keys.types import Spread
from modelwright.app.prompts.language import compile_prompt
from modelwright.app.prompts.source import read_prompt
from modelwright.app.wishes import WHO, AliasWish
from modelwright.core.errors.registry import NotRegistered
from modelwright.core.ports.registry import Entry
from modelwright.core.prompting.variables import messages_of, values_of
from modelwright.registry.registry import By, Registry


class PushWish(BaseModel):
    """A version to be registered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(description="The whole file.")
    why: str = Field(description="One line for the history.")
    who: str = Field(default="", description=WHO)


class RenderWish(BaseModel):
    """Values to fill in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variables: dict[str, Any] = {}


class PromptLine(BaseModel):
    """One prompt as it stands."""

    name: str
    versions: dict[str, str] = Field(description="Digest by version, in the order in which they were registered.")
    aliases: dict[str, str] = Field(description="Version by alias.")


class PromptShown(BaseModel):
    """One version."""

    name: str
    version: str
    digest: str
    source: str = Field(description="The whole file.")


class PromptChanged(PromptLine):
    """A prompt after its change."""

    spread: Spread | None = Field(description="How far the change has come.")


class PromptDesk:
    """Raises RegistryError and PromptError; Malformed for values that do not fit."""

    def __init__(self, registry: Registry, tell: Tell) -> None:
        self._registry = registry
        self._tell = tell

    async def list(self) -> list[PromptLine]:
        """Every prompt, by name."""
        return [await self._line(name) for name in await self._registry.names()]

    async def show(self, name: str, word: str) -> PromptShown:
        """What a version, an alias or a digest means now."""
        found = await self._registry.find(name, word)
        source = await self._registry.content(found.digest)
        return PromptShown(name=name, version=found.version, digest=found.digest, source=source.decode())

    async def history(self, name: str) -> tuple[Entry, ...]:
        """The oldest first."""
        return (await self._registry.line(name)).history

    async def push(self, name: str, version: str, wish: PushWish, *, who: str) -> PromptChanged:
        """Register a version that the gateways can use; nobody gets it before an alias means it."""
        content = wish.source.encode()
        read_prompt(content, name=name, version=version)
        await self._registry.put(name, version, content, by=By(who, wish.why))
        return PromptChanged(**(await self._line(name)).model_dump(), spread=None)

    async def alias(self, name: str, alias: str, wish: AliasWish, *, who: str) -> PromptChanged:
        """When this returns, the gateways answer by it."""
        await self._registry.alias(name, alias, wish.version, by=By(who, wish.why), expect=wish.expect)
        spread = await self._tell()
        return PromptChanged(**(await self._line(name)).model_dump(), spread=spread)

    async def render(self, name: str, word: str, wish: RenderWish) -> list[dict[str, str]]:
        """The messages that a call with these values would get."""
        shown = await self.show(name, word)
        prompt = read_prompt(shown.source.encode(), name=name, version=shown.version)
        values = values_of(prompt, wish.variables)
        return messages_of(prompt, compile_prompt(prompt)(values) if prompt.variables else _texts(prompt.messages))

    async def _line(self, name: str) -> PromptLine:
        line = await self._registry.line(name)
        if not line.versions:
            raise NotRegistered(f"{name} has no version", hint="push one")
        return PromptLine(name=name, versions=dict(line.versions), aliases=dict(line.aliases))


def _texts(messages: tuple[Any, ...]) -> list[str]:
    return [message.content for message in messages]
