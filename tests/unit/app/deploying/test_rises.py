"""How traffic goes over when somebody wants it otherwise than the manifest says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from modelwright.app.deploying.reach import site_of
from modelwright.app.deploying.rises import wanted_rise
from modelwright.app.manifest.load import check_manifest
from modelwright.core.deploying.trials import Rise, Rules
from modelwright.core.errors.deploying import DeployError

ROOT = Path(__file__).parents[4]
WRITTEN = Rise(steps=(10, 50, 100), pause=300.0, rules=Rules(success_rate=0.995, calls=100))


def test_as_it_is_written_or_otherwise() -> None:
    assert wanted_rise(WRITTEN) == WRITTEN
    assert wanted_rise(WRITTEN, at_once=True) == Rise()
    assert wanted_rise(WRITTEN, canary="5%") == Rise(steps=(5,), pause=300.0, rules=WRITTEN.rules)
    assert wanted_rise(WRITTEN, canary="5").steps == (5,)


@pytest.mark.parametrize("canary", ["0%", "100%", "2.5%", "much", "-1%"])
def test_a_canary_has_a_part_of_the_traffic(canary: str) -> None:
    with pytest.raises(DeployError, match="is no share of a canary"):
        wanted_rise(WRITTEN, canary=canary)


def test_the_manifest_of_the_guide_says_what_the_guide_says(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guide" / "deploy.md").read_text("utf-8")
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text(re.findall(r"^```yaml\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)[0])
    assert check_manifest(manifest, without_secrets=True).faults == ()
    rise = site_of(manifest, environment="production").rise
    rules = Rules(success_rate=0.99, latency_ms=2000.0, errors=20, calls=100, wait=600.0, on_no_data="hold")
    assert rise == Rise(steps=(10, 50, 100), pause=600.0, rules=rules)


def test_an_environment_without_a_target_is_told_what_to_write(tmp_path: Path) -> None:
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text(
        "schema: 1\nname: kb\nproviders: {up: {kind: vllm, base_url: 'http://10.0.0.7/v1'}}\n"
        "endpoints: {chat: {variants: {only: {provider: up, model: m}}}}\n"
    )
    with pytest.raises(DeployError, match="the environment test has no target"):
        site_of(manifest, environment="test")
