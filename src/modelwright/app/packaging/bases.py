"""What images start from, held to the bytes that were found first: `modelwright.lock` beside the manifest."""

from __future__ import annotations

import json
from pathlib import Path

from modelwright.adapters.images.engine import Engine
from modelwright.app.whole_file import write_whole
from modelwright.core.errors.deploying import BuildFailed

LOCK = "modelwright.lock"
_SHA = "@sha256:"


class Bases:
    """Digests by reference; those that are new are written down."""

    def __init__(self, folder: Path, engine: Engine, *, anew: bool = False) -> None:
        """`anew`: forget what was found before. Raises BuildFailed for a lock that cannot be read."""
        self._path = folder / LOCK
        self._engine = engine
        self._known: dict[str, str] = {} if anew else _read(self._path)
        self._written = {} if anew else dict(self._known)
        self._pins: dict[str, tuple[str, str]] = {}
        self._sizes: dict[str, int] = {}

    async def pinned(self, reference: str) -> tuple[str, str]:
        """(how a Dockerfile names it, what it is): by digest where a registry has it, else as the engine has it.

        Raises BuildFailed when it is nowhere.
        """
        if reference not in self._pins:
            self._pins[reference] = await self._pinned(reference)
        return self._pins[reference]

    async def size(self, reference: str) -> int:
        """Bytes of it; 0 when the engine has only built from it."""
        pinned, _ = await self.pinned(reference)
        if reference not in self._sizes:
            facts = await self._engine.facts(pinned)
            self._sizes[reference] = facts.size if facts is not None else 0
        return self._sizes[reference]

    def keep(self) -> None:
        """Write down what was found."""
        if self._known != self._written:
            write_whole(self._path, json.dumps({"bases": dict(sorted(self._known.items()))}, indent=2).encode() + b"\n")

    async def _pinned(self, reference: str) -> tuple[str, str]:
        if _SHA in reference:
            return reference, reference.rpartition("@")[2]
        if digest := self._known.get(reference):
            return f"{reference}@{digest}", digest
        facts = await self._engine.facts(reference)
        if facts is None:
            await self._engine.pull(reference)
            facts = await self._engine.facts(reference)
        if facts is None:
            raise BuildFailed(f"{reference} was pulled and is not there", hint="pull it again")
        self._sizes[reference] = facts.size
        if not facts.digests:
            return reference, facts.id
        self._known[reference] = digest = facts.digests[0].rpartition("@")[2]
        return f"{reference}@{digest}", digest


def _read(path: Path) -> dict[str, str]:
    try:
        bases = json.loads(path.read_text("utf-8"))["bases"]
        return {str(name): str(digest) for name, digest in bases.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, AttributeError) as error:
        hint = "mend it, or remove it and package again"
        raise BuildFailed(f"{path} cannot be read as {LOCK}", hint=hint) from error
