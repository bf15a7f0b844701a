"""Moves of aliases are seen whoever made them, each told once."""

import pytest

from modelwright.adapters.stores.memory_registry import MemoryRegistryStore
from modelwright.app.models.desk import KIND
from modelwright.app.repository.aliases import AliasWatch
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.clock import ManualClock
from modelwright.registry.registry import By, Registry

BY = By("me", "why not")


class World:
    """A registry, who watches it, and what was heard of it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.asked = 0
        self.away = False
        store = MemoryRegistryStore()
        self.registry = Registry(KIND, store=store, clock=ManualClock())
        self.prompts = Registry("prompt", store=store, clock=ManualClock())
        self.changed = 0
        self.watch = AliasWatch(store, changes=self._changes, follow=self._follow, clock=ManualClock())

    async def alias(self, name: str, alias: str, version: str) -> None:
        await self.registry.alias(name, alias, version, by=BY)
        self.changed += 1

    async def look(self) -> list[tuple[str, str]]:
        self.heard.clear()
        await self.watch.look()
        return [*self.heard]

    async def _changes(self) -> object:
        self.asked += 1
        if self.away:
            raise StartError("the database is away")
        return self.changed

    async def _follow(self, name: str, alias: str) -> None:
        self.heard.append((name, alias))


@pytest.fixture
async def world() -> World:
    world = World()
    for name in ("digits", "words"):
        for version in ("v1", "v2"):
            await world.registry.put(name, version, f"{name} {version}".encode(), by=BY)
    await world.alias("digits", "champion", "v1")
    return world


async def test_a_move_is_told_once_and_what_stands_at_the_start_too(world: World) -> None:
    assert await world.look() == [("digits", "champion")]
    assert await world.look() == []
    await world.alias("digits", "champion", "v2")
    await world.alias("words", "next", "v1")
    assert await world.look() == [("digits", "champion"), ("words", "next")]
    world.changed += 1  # a key, a prompt, whatever
    assert await world.look() == []


async def test_what_could_not_be_seen_is_seen_later(world: World) -> None:
    await world.look()
    await world.alias("digits", "champion", "v2")
    world.away = True
    assert await world.look() == []
    world.away = False
    assert await world.look() == [("digits", "champion")]


async def test_it_runs_until_it_is_told_to_end(world: World) -> None:
    world.away = True
    world.watch.finish()
    await world.watch.run()
    assert world.asked == 0
