"""The prompts of a snapshot: control registers what the manifest's folders hold, and looks up what variants name."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from modelwright.app.prompts.source import read_prompt
from modelwright.core.contracts.snapshot import Endpoint, Prompt, Snapshot
from modelwright.core.errors.registry import AliasHasMoved, RegistryError
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.registry import RegistryStore
from modelwright.core.prompting.variables import label
from modelwright.registry.registry import By, Registry

KIND = "prompt"
_FOUND = By("manifest", "found in the prompt's folder")
_STARTS = By("manifest", "where the manifest lets the alias start")

log = logging.getLogger("modelwright.prompts")


def prompt_registry(store: RegistryStore, clock: Clock) -> Registry:
    """The registry of prompts."""
    return Registry(KIND, store=store, clock=clock)


class Shelf:
    """Beside one publisher, for as long as control runs.

    What is wrong when control starts ends the start. What goes wrong later is logged, and what was found before stays:
    the snapshot must be written all the same, since it also tells the gateways which keys were revoked.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._registered: dict[str, str] = {}
        """Digest by label, as the base had them last."""
        self._found: dict[str, Prompt] = {}
        """By what a variant names."""
        self._read: dict[tuple[str, str], Prompt] = {}
        """By label and digest."""
        self._started = False

    async def complete(self, base: Snapshot) -> Snapshot:
        """The base with each variant's `name@version` and these prompts alone; raises StartError, at first."""
        for prompt in base.prompts:
            await self._register(prompt, revise=base.environment == "development")
        for reference, version in base.aliases.items():
            await self._let_start(reference, version)
        found = {reference: await self._find(reference) for reference in sorted(set(_references(base.endpoints)))}
        self._started = True
        self._found = found
        return msgspec.structs.replace(
            base,
            endpoints=tuple(_named(endpoint, found) for endpoint in base.endpoints),
            prompts=tuple({label(prompt): prompt for prompt in found.values()}.values()),
            aliases={},
        )

    async def _register(self, prompt: Prompt, *, revise: bool) -> None:
        if self._registered.get(label(prompt)) == prompt.digest:
            return
        try:
            content = prompt.source.encode()
            await self._registry.put(prompt.name, prompt.version, content, by=_FOUND, revise=revise)
        except RegistryError as error:
            self._complain(error)
        self._registered[label(prompt)] = prompt.digest

    async def _let_start(self, reference: str, version: str) -> None:
        name, _, alias = reference.partition("@")
        try:
            await self._registry.alias(name, alias, version, by=_STARTS, expect="")
        except AliasHasMoved:
            return
        except RegistryError as error:
            self._complain(error)

    async def _find(self, reference: str) -> Prompt:
        name, _, word = reference.partition("@")
        try:
            version = await self._registry.find(name, word)
            known = (f"{name}@{version.version}", version.digest)
            if known not in self._read:
                content = await self._registry.content(version.digest)
                self._read[known] = read_prompt(content, name=name, version=version.version)
            return self._read[known]
        except ModelwrightError as error:
            if reference not in self._found:
                raise StartError(f"prompt {reference}: {error.message}", hint=error.hint) from error
            self._complain(error)
            return self._found[reference]

    def _complain(self, error: ModelwrightError) -> None:
        if not self._started:
            raise StartError(error.message, hint=error.hint, place="prompts") from error
        log.error("a prompt cannot be taken, what was there before stays: %s", error)


def _references(endpoints: tuple[Endpoint, ...]) -> Iterator[str]:
    return (variant.prompt for endpoint in endpoints for variant in endpoint.variants if variant.prompt)


def _named(endpoint: Endpoint, found: dict[str, Prompt]) -> Endpoint:
    variants = (
        msgspec.structs.replace(variant, prompt=label(found[variant.prompt])) if variant.prompt else variant
        for variant in endpoint.variants
    )
    return msgspec.structs.replace(endpoint, variants=tuple(variants))
