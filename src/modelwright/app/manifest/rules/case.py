"""A manifest with what is known around it: what every rule is given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.files import FileFacts
from modelwright.app.manifest.schema import Manifest
from modelwright.app.plugins import PIPELINE, chosen_engine
from modelwright.app.prompts.folder import PromptFacts
from modelwright.core.nearest import nearest
from modelwright.core.resources.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What the rules need to know of a kind of provider."""

    base_url: str = ""
    operations: tuple[str, ...] = ()
    needs_key: bool = True
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A manifest with what is known around it."""

    manifest: Manifest
    environment: str
    kinds: Mapping[str, Kind]
    files: Mapping[str, FileFacts]
    """By model; a model whose files were not looked at is missing."""
    prompts: Mapping[str, PromptFacts] = field(default_factory=dict)
    """By name; a prompt whose folder was not looked into is missing."""
    unknown: Collection[Path] = ()
    """Places whose value is not known here."""
    outside: Collection[Path] = ()
    """Places whose value comes from outside of the file."""
    off: Collection[str] = ()
    """Optional providers that are off."""
    declared: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Names under models, apps and other sections of that kind, those with faults of their own included."""
    builds: Mapping[str, str] = field(default_factory=dict)
    """By app: what is wrong with the folder that its image is built from."""
    beside: Mapping[Path, str] = field(default_factory=dict)
    """By place: what is wrong with the file of settings that a service is given there."""
    deploying: bool = False
    """It is to be deployed: then more has to be there than for `modelwright up`."""
    machine: Machine | None = None
    """What there is here; None where it is another machine's matter."""

    def names(self, section: str) -> Collection[str]:
        """Names that may be referred to."""
        return {*self.declared.get(section, ()), *getattr(self.manifest, section)}

    @property
    def has_gateway(self) -> bool:
        """Something can be called: without it no gateway runs."""
        return bool(self.names("models") or self.names("endpoints"))

    def engine(self, model: str) -> str:
        """The kind of engine that runs a model, or a version `name@version` of it; empty when it cannot be told."""
        section = self.manifest.models.get(model.partition("@")[0])
        if section is None:
            return ""
        if section.pipeline is not None:
            return PIPELINE
        facts = self.files.get(model, FileFacts())
        return section.engine.kind or chosen_engine(facts.format)


Rules: TypeAlias = tuple[Callable[[Case], Iterator[Finding]], ...]


def unknown_name(here: Path, name: str, *, section: str, known: Collection[str]) -> Finding:
    """A reference to what is not there, with the nearest that is."""
    close = nearest(name, known)
    remedy = f"did you mean {close}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
    return Finding(here, f"there is no {name!r} under `{section}`", remedy)


def has_unknown(case: Case, under: Path) -> bool:
    """Whether a value under this place is not known here."""
    return any(path[: len(under)] == under for path in case.unknown)
