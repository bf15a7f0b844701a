"""Fixtures of the end-to-end lane; what they start is in `running.py`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import Site, quickstart, running


@pytest.fixture(scope="module")
def quickstart_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The quickstart, running; shared by the tests of a module, which must leave it as they found it."""
    with running(quickstart(tmp_path_factory.mktemp("site"))) as site:
        yield site


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A fresh copy of the quickstart's manifest with its files."""
    return quickstart(tmp_path)
