import ssl
import subprocess
from pathlib import Path

import pytest

from modelwright.adapters.http.dial import tls_context
from modelwright.app.settings.settings import CA_BUNDLE_NAME, Settings
from modelwright.app.workers.upstream_tls import upstream_tls
from modelwright.core.errors.starting import StartError


def settings(folder: Path, **env: str) -> Settings:
    return Settings(folder, environment="test", env=env, run_secrets=folder / "none")


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -days 2"
    subprocess.run([*command.split(), "-subj", "/CN=ours", "-out", path], cwd=tmp_path, check=True, capture_output=True)
    return path


def subjects(context: ssl.SSLContext) -> set[str]:
    return {str(certificate["subject"]) for certificate in context.get_ca_certs()}


def test_by_default_the_system_is_trusted(tmp_path: Path) -> None:
    assert upstream_tls(settings(tmp_path), tmp_path) is tls_context


def test_a_named_authority_is_trusted_beside_the_system(tmp_path: Path, authority: Path) -> None:
    context = upstream_tls(settings(tmp_path, **{CA_BUNDLE_NAME: authority.name}), tmp_path)()
    added = subjects(context) - subjects(tls_context())
    assert len(added) == 1
    assert "ours" in added.pop()
    assert subjects(tls_context()) <= subjects(context)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("no PEM", "no certificate in PEM form")])
def test_a_file_that_names_no_authority_stops_the_start(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "authority.pem").write_text(content)
    with pytest.raises(StartError, match=said) as refused:
        upstream_tls(settings(tmp_path, **{CA_BUNDLE_NAME: "authority.pem"}), tmp_path)
    assert refused.value.place == CA_BUNDLE_NAME


def test_a_file_of_settings_can_name_it(tmp_path: Path, authority: Path) -> None:
    (tmp_path / ".env").write_text(f"{CA_BUNDLE_NAME}={authority}\n")
    assert subjects(upstream_tls(settings(tmp_path), tmp_path)()) - subjects(tls_context())
