"""Dozens of kills at random moments, of gateway workers and control, under calls and streams: the books stay exact."""

import secrets
from pathlib import Path

import pytest

from tests.e2e.kill_loop import kill_again_and_again

pytestmark = pytest.mark.e2e
KILLS = 60


def test_every_upstream_request_has_exactly_one_row_whoever_is_killed_when(tmp_path: Path) -> None:
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")
    found = kill_again_and_again(tmp_path, kills=KILLS, seed=seed)
    books = found.balance
    assert not found.problems()
    assert sum(found.kills.values()) == KILLS
    assert all(found.kills.values())
    assert books.tokens[0] > 0
    assert books.failed > 0, "attempts that were followed by another"
    assert len(found.broken) >= KILLS / 10, "calls were under way when workers were killed"
    assert books.requests > len(found.acknowledged) > KILLS / 3
