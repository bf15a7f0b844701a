"""How a gateway knows that its keys are all there are."""

import os
from pathlib import Path

import pytest

from modelwright.core.ports.clock import ManualClock
from modelwright.gateway.identity.source import PATIENCE, KeySource, touch
from tests.unit.gateway.world import World, answers


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def touched(folder: Path, at: float) -> None:
    touch(folder)
    os.utime(folder / "keys.alive", (at, at))


def looks(source: KeySource) -> bool:
    source.look()
    return source.away


def test_where_nobody_ever_promised_anything_the_snapshot_is_all_there_is(tmp_path: Path, clock: ManualClock) -> None:
    source = KeySource(tmp_path, clock=clock)
    for _ in range(3):
        assert not looks(source)
        clock.advance(PATIENCE)


def test_a_source_is_away_when_it_was_silent_for_long_and_back_with_its_first_word(
    tmp_path: Path, clock: ManualClock
) -> None:
    source = KeySource(tmp_path, clock=clock)
    touched(tmp_path, clock.now())
    assert not looks(source)
    clock.advance(PATIENCE)
    assert not looks(source)
    clock.advance(0.1)
    assert looks(source)
    (tmp_path / "keys.alive").unlink()
    assert looks(source)
    touched(tmp_path, clock.now())
    assert not looks(source)


def test_a_worker_that_starts_while_it_is_away_knows_at_once(tmp_path: Path, clock: ManualClock) -> None:
    touched(tmp_path, clock.now() - 3 * PATIENCE)
    assert looks(KeySource(tmp_path, clock=clock))


def test_a_clock_that_is_set_back_or_forth_is_no_silence(tmp_path: Path, clock: ManualClock) -> None:
    source = KeySource(tmp_path, clock=clock)
    for at in (clock.now(), clock.now() + 9e6, clock.now() - 9e6):
        touched(tmp_path, at)
        assert not looks(source)
        clock.advance(PATIENCE / 2)


async def test_only_unknown_keys_wait_for_it() -> None:
    world = World(lambda _: answers())
    world.key_source.away = True
    assert (await world.ask()).status == 200
    heard = await world.ask(secret="mw-aaaaaaaa-unknown")
    assert (heard.status, heard.error["code"], heard.headers["retry-after"]) == (503, "identity_unavailable", "5")
    world.key_source.away = False
    assert (await world.ask(secret="mw-aaaaaaaa-unknown")).status == 401


def test_it_cannot_be_touched_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        touch(tmp_path / "gone")
