"""A real PostgreSQL with pgvector for tests: PyPI's pgserver carries its programs, PostgresServer runs them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.making.postgres_server import PostgresServer

PACKAGE = Path(__file__).resolve().parents[2] / ".venv" / "pgvector"


@contextmanager
def pgvector_server(*, without: bool = False) -> Iterator[PostgresServer]:
    """`without`: one that lacks the extension, as plain images of PostgreSQL do."""
    assert PACKAGE.exists(), "PostgreSQL with pgvector is not installed: sh requirements/install-pgvector.sh"
    # The user `postgres`, whom root becomes, may be unable to enter the checkout.
    with tempfile.TemporaryDirectory(prefix="mw-pgvector-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder)
        copy.chmod(0o755)
        shutil.copytree(PACKAGE / "pgserver" / "pginstall", copy / "pgserver" / "pginstall")
        for libraries in PACKAGE.glob("pgserver.libs"):
            shutil.copytree(libraries, copy / libraries.name)
        if without:
            next(copy.rglob("extension/vector.control")).unlink()
        with PostgresServer(programs=copy / "pgserver" / "pginstall" / "bin") as server:
            yield server
