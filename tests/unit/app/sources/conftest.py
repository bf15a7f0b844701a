from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelwright.adapters.http.dial import tls_context
from modelwright.app.models.types import ModelShown
from modelwright.app.sources.section import ArtifactsSection
from modelwright.app.sources.sources import Sources
from tests.making.certificates import make_certificates
from tests.making.file_server import FileServer
from tests.unit.app.sources.fetching import Make


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(certificates: Path) -> Iterator[FileServer]:
    with FileServer(certificates) as running:
        yield running


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, certificates: Path, said: list[str]) -> Make:
    (tmp_path / "state").mkdir()

    def _make(look_up: Callable[[str, str], ModelShown] | None = None, **section: object) -> Sources:
        known = {} if look_up is None else {"look_up": look_up}
        return Sources(
            tmp_path / "state",
            tmp_path,
            section=ArtifactsSection.model_validate({"allow": ["127.0.0.0/8", "::1/128"], **section}),
            tls=lambda: tls_context(ca_bundle=str(certificates / "authority.pem")),
            say=said.append,
            **known,
        )

    return _make
