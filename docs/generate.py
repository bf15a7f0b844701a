"""Writes the reference pages that can be read off the code; other documents are written by people.

`--check` writes nothing and fails when a page is stale. Run it from the repository's root: `python -m docs.generate`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs.reference_pages import cli, errors, faults, ledger, manifest, metrics, openapi, providers

FOLDER = Path(__file__).parent / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "manifest.md": manifest.page,
    "cli.md": cli.page,
    "errors.md": errors.page,
    "providers.md": providers.page,
    "ledger.md": ledger.page,
    "metrics.md": metrics.page,
    "dev-provider.md": faults.page,
    "openapi.json": openapi.page,
}


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of pages that differ from what the code says."""
    return [name for name, page in PAGES.items() if not _same(folder / name, page())]


def write(folder: Path = FOLDER) -> list[str]:
    """Write what is stale; the names of the pages that changed."""
    changed = stale(folder)
    for name in changed:
        (folder / name).write_text(PAGES[name](), "utf-8")
    return changed


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text("utf-8") == text


if __name__ == "__main__":
    only_look = "--check" in sys.argv[1:]
    for found in stale() if only_look else write():
        print(f"docs/reference/{found}: {'stale; run make docs' if only_look else 'written'}")
    if only_look:
        sys.exit(1 if stale() else 0)
