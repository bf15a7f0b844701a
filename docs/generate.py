"""Writes the reference pages that can be read off the code; other documents are written by people.

`--check` writes nothing and fails when a page is stale. Run it from the repository's root: `python -m docs.generate`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs.reference_pages import cli, door, errors, faults, ledger, manifest, metrics, openapi, protocol, providers

ROOT = Path(__file__).parents[1]
PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/manifest.md": manifest.page,
    "docs/reference/cli.md": cli.page,
    "docs/reference/errors.md": errors.page,
    "docs/reference/providers.md": providers.page,
    "docs/reference/ledger.md": ledger.page,
    "docs/reference/metrics.md": metrics.page,
    "docs/reference/dev-provider.md": faults.page,
    "src/modelwright/adapters/grpc/open_inference.json": protocol.page,
    "src/modelwright/gateway/http/openapi.json": openapi.page,
    "src/modelwright/gateway/http/docs.html": door.page,
}
"""By path from the repository's root; the gateway shows the last two itself."""


def stale(root: Path = ROOT) -> list[str]:
    """Pages that differ from what the code says."""
    return [name for name, page in PAGES.items() if not _same(root / name, page())]


def write(root: Path = ROOT) -> list[str]:
    """Write what is stale; the pages that changed."""
    changed = stale(root)
    for name in changed:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(PAGES[name](), "utf-8")
    return changed


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


if __name__ == "__main__":
    only_look = "--check" in sys.argv[1:]
    for found in stale() if only_look else write():
        print(f"{found}: {'stale; run make docs' if only_look else 'written'}")
    if only_look:
        sys.exit(1 if stale() else 0)
