"""How traffic goes over when somebody wants it otherwise than the manifest says."""

from __future__ import annotations

import pytest

from modelwright.app.deploying.rises import wanted_rise
from modelwright.core.deploying.trials import Rise, Rules
from modelwright.core.errors.deploying import DeployError

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
