"""Where an environment is deployed to."""

from pathlib import Path

import pytest

from modelwright.app.deploying.reach import site_of
from modelwright.core.errors.tree import ManifestError

MANIFEST = """\
schema: 1
name: kb
providers: {openai: {kind: openai, keys: ["${secret:OPENAI_API_KEY}"]}}
targets: {host: {kind: docker, host: "${env:DEPLOY_HOST}"}}
environments: {production: {target: host}}
"""


def test_a_host_may_be_named_outside_of_the_manifest_and_secrets_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.yaml"
    path.write_text(MANIFEST)
    (tmp_path / ".env.production").write_text("DEPLOY_HOST=ssh://deploy@host.example.com\n")
    assert site_of(path, environment="production").target.host == "ssh://deploy@host.example.com"


def test_a_host_that_is_named_nowhere_is_never_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.yaml"
    path.write_text(MANIFEST)
    with pytest.raises(ManifestError) as caught:
        site_of(path, environment="production")
    (fault,) = caught.value.faults
    assert fault.key == "targets.host.host"
    assert "DEPLOY_HOST" in fault.problem
