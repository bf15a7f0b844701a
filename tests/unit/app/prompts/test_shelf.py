"""What control makes of the base's prompts: registered, looked up, and never in the way of a snapshot."""

import logging
from typing import Any

import msgspec
import pytest

from modelwright.adapters.stores.memory_registry import MemoryRegistryStore
from modelwright.app.prompts.shelf import KIND, Shelf, prompt_registry
from modelwright.app.prompts.source import read_prompt
from modelwright.core.contracts.snapshot import Endpoint, Prompt, Snapshot, Variant
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.clock import ManualClock
from modelwright.registry.registry import By, Registry

ME = By("user:me", "a test")


def prompt(version: str, source: str) -> Prompt:
    found = read_prompt(source.encode(), name="support", version=version)
    return msgspec.structs.replace(found, source=source)


def base(reference: str = "support@live", *, environment: str = "production", **changes: Any) -> Snapshot:
    known = Snapshot(
        serial=1, name="site", environment=environment, manifest="sha256:m", release="sha256:r", auth="required",
        split_salt="00", max_body=1, max_in_flight=1,
        endpoints=(
            Endpoint(
                name="e",
                operations=("chat",),
                variants=(
                    Variant(name="a", provider="p", model="m", prompt=reference),
                    Variant(name="b", provider="p", model="m"),
                ),
            ),
        ),
        prompts=(prompt("v1", "One."), prompt("v2", "Two.")),
        aliases={"support@live": "v1"},
    )  # fmt: skip
    return msgspec.structs.replace(known, **changes)


class Library:
    """A shelf over a registry in memory."""

    def __init__(self) -> None:
        self.store = MemoryRegistryStore()
        self.registry: Registry = prompt_registry(self.store, ManualClock())
        self.shelf = Shelf(self.registry)

    async def told(self, snapshot: Snapshot) -> list[tuple[str, str, str]]:
        """What the completed snapshot's variants name, and what their prompts say."""
        done = await self.shelf.complete(snapshot)
        assert done.aliases == {}
        assert not [one for one in done.prompts if one.source]
        texts = {f"{one.name}@{one.version}": one.messages[0].content for one in done.prompts}
        (endpoint,) = done.endpoints
        named = [variant for variant in endpoint.variants if variant.prompt]
        return [(variant.name, variant.prompt, texts.pop(variant.prompt)) for variant in named]


@pytest.fixture
def library() -> Library:
    return Library()


async def test_a_variant_gets_the_version_that_its_alias_means(library: Library) -> None:
    assert await library.told(base()) == [("a", "support@v1", "One.")]
    await library.registry.alias("support", "live", "v2", by=ME)
    assert await library.told(base()) == [("a", "support@v2", "Two.")]


async def test_the_manifest_lets_an_alias_start_and_does_not_move_it(library: Library) -> None:
    await library.told(base())
    await library.registry.alias("support", "live", "v2", by=ME)
    assert await Library.told(_again(library), base()) == [("a", "support@v2", "Two.")]
    history = (await library.registry.line("support")).history
    assert [(entry.name, entry.who) for entry in history] == [
        ("v1", "manifest"),
        ("v2", "manifest"),
        ("live", "manifest"),
        ("live", "user:me"),
    ]


async def test_a_pushed_version_is_found_by_its_alias(library: Library) -> None:
    await library.told(base())
    await library.registry.put("support", "v9", b"Nine.", by=ME)
    await library.registry.alias("support", "live", "v9", by=ME)
    assert await library.told(base()) == [("a", "support@v9", "Nine.")]


async def test_a_snapshot_holds_only_the_prompts_that_are_named(library: Library) -> None:
    assert [one.version for one in (await library.shelf.complete(base("support@v2"))).prompts] == ["v2"]
    assert (await library.shelf.complete(base(""))).prompts == ()


async def test_a_version_that_was_edited_is_refused_at_start(library: Library) -> None:
    await library.told(base())
    edited = base(prompts=(prompt("v1", "Uno."), prompt("v2", "Two.")))
    with pytest.raises(StartError, match="a version never changes"):
        await Library.told(_again(library), edited)


async def test_a_version_that_is_edited_while_it_runs_stays_as_it_was(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    await library.told(base())
    edited = base(prompts=(prompt("v1", "Uno."), prompt("v2", "Two.")))
    with caplog.at_level(logging.ERROR):
        assert await library.told(edited) == [("a", "support@v1", "One.")]
        assert await library.told(edited) == [("a", "support@v1", "One.")]
    assert len([record for record in caplog.records if "other content" in record.getMessage()]) == 1


async def test_in_development_a_version_may_be_edited(library: Library) -> None:
    await library.told(base(environment="development"))
    edited = base(environment="development", prompts=(prompt("v1", "Uno."), prompt("v2", "Two.")))
    assert await library.told(edited) == [("a", "support@v1", "Uno.")]
    assert await library.told(base(environment="development")) == [("a", "support@v1", "One.")]


async def test_a_prompt_that_is_lost_at_start_ends_the_start(library: Library) -> None:
    with pytest.raises(StartError, match="prompt support@gone"):
        await library.told(base("support@gone"))


async def test_a_prompt_that_is_damaged_while_it_runs_stays_as_it_was(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    await library.told(base())
    await library.registry.put("support", "v9", b"Nine.", by=ME)
    await library.registry.alias("support", "live", "v9", by=ME)
    (entry,) = [entry for entry in await library.store.read(KIND, "support") if entry.name == "v9"]
    library.store._contents[entry.to] = b"damaged"
    with caplog.at_level(logging.ERROR):
        assert await library.told(base()) == [("a", "support@v1", "One.")]
    assert "damaged" in caplog.text


def _again(library: Library) -> Library:
    """Control starts anew over the same database."""
    library.shelf = Shelf(library.registry)
    return library
