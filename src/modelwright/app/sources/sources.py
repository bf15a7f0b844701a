"""Finds what models' sources mean: one look at each, and what was found by an earlier one is kept for this run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from modelwright.app.artifacts.code import module_file
from modelwright.app.artifacts.digests import marks_of, model_digests
from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.pipelines.plan import files_of, located_whole
from modelwright.app.sources.located import Located


class Sources:
    """Of one installation."""

    def __init__(self, state: Path, base: Path) -> None:
        """`state` remembers digests; relative paths start at `base`, the manifest's folder."""
        self._state = state
        self._base = base
        self._found: dict[tuple[str, str], Located] = {}
        """By source and stated digest."""

    def of(self, models: Mapping[str, ModelSection]) -> dict[str, Located]:
        """By model that has any, and by step for a file that a step names itself.

        One that was found before in this run is what it was then; raises StartError and RegistryError.
        """
        wanted = {name: (self._source(section), section.digest) for name, section in models.items()}
        wanted.update({name: (path, "") for name, path in files_of(models)})
        wanted = {name: source for name, source in wanted.items() if source[0]}
        for source, digest in wanted.values():
            if (source, digest) not in self._found:
                self.locate(source, digest)
        located = {name: self._found[source] for name, source in wanted.items()}
        for name, section in models.items():
            if section.pipeline is not None:
                located[name] = located_whole(name, section.pipeline, located)
        return located

    def _source(self, section: ModelSection) -> str:
        """Of a class that has none, its code, unless it is installed elsewhere."""
        return section.source or module_file(self._base, section.engine.kind)

    def anew(self, models: Mapping[str, ModelSection]) -> dict[str, Located]:
        """By model, as it is now: what was written since, and where aliases lead by now. Raises as `of`."""
        self._found.clear()
        return self.of(models)

    def locate(self, source: str, digest: str = "") -> Located:
        """As it is now; raises StartError and RegistryError."""
        path = Path(os.path.normpath(self._base / source))
        marks = marks_of(path)
        found = model_digests(self._state, {source: path})[source]
        located = Located(source=source, path=str(path), digest=digest or found, promised=bool(digest), marks=marks)
        self._found[source, digest] = located
        return located
