from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.making.certificates import make_certificates
from tests.making.file_server import FileServer


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(certificates: Path) -> Iterator[FileServer]:
    with FileServer(certificates) as running:
        yield running
