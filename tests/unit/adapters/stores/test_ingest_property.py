"""Whatever lines are written where, and wherever readers and writers die: one row per call, and the outcome wins."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.adapters.stores.database import open_database
from modelwright.adapters.stores.ingest import Ingest
from modelwright.adapters.stores.spool_reader import SpoolReader
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.core.ports.clock import ManualClock
from tests.unit.adapters.stores.spool_writer import SpoolWriter, row

WRITERS = 3
LATER = 4e9
"""No file is young at this time."""


class Killed(BaseException):
    """The reader's process ends here."""


class Fuse:
    """Burns down by one at each dangerous place."""

    def __init__(self, places: int) -> None:
        self.left = places

    def burn(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class MortalLedger(SqlLedger):
    """Dies before or after a transaction."""

    fuse: Fuse

    async def apply(self, *arguments: Any, **named: Any) -> None:
        self.fuse.burn()
        await super().apply(*arguments, **named)
        self.fuse.burn()

    async def finish(self, file: str, *, writer: str, last: bool) -> int:
        self.fuse.burn()
        resolved = await super().finish(file, writer=writer, last=last)
        self.fuse.burn()
        return resolved


class MortalSpool(SpoolReader):
    """Dies before or after it changes the folder."""

    fuse: Fuse

    def set_aside(self, *arguments: Any, **named: Any) -> Path:
        kept = super().set_aside(*arguments, **named)
        self.fuse.burn()
        return kept

    def remove(self, name: str) -> None:
        super().remove(name)
        self.fuse.burn()


class World:
    """Writers as they should be, readers that die, and what must come out in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.boots = 0
        self.writers = [self._boot() for _ in range(WRITERS)]
        self.open: dict[str, int] = {}
        self.wanted: dict[str, str] = {}
        self.repeated: set[str] = set()
        self.calls = 0

    def _boot(self) -> SpoolWriter:
        self.boots += 1
        return SpoolWriter(self.folder, f"gateway-0-100-{self.boots:04}")

    def intent(self, number: int) -> None:
        self.calls += 1
        call = f"{self.calls:04}"
        self.writers[number].write(row(call))
        self.open[call] = number
        self.wanted[call] = "intent"

    def outcome(self, number: int) -> None:
        call = next((call for call, writer in self.open.items() if writer == number), None)
        if call is not None:
            self.writers[number].write(row(call, "ok"))
            del self.open[call]
            self.wanted[call] = "ok"

    def refusal(self, number: int) -> None:
        self.calls += 1
        self.writers[number].write(row(f"{self.calls:04}", "refused"))
        self.wanted[f"{self.calls:04}"] = "refused"

    def repeat(self, number: int) -> None:
        """The intent of a call that has ended comes again, from anywhere."""
        ended = [call for call in self.wanted if call not in self.open]
        if ended:
            call = ended[self.boots % len(ended)]
            self.writers[number].write(row(call))
            self.repeated.add(call)

    def late(self, number: int) -> None:
        """The outcome of a call that was given up comes after all."""
        call = next((call for call, wanted in self.wanted.items() if wanted == "unresolved"), None)
        if call is not None:
            self.writers[number].write(row(call, "ok"))
            self.wanted[call] = "late"

    def garbage(self, number: int) -> None:
        self.writers[number].raw(b'{"call":\n\x00\n')

    def rotate(self, number: int) -> None:
        self.writers[number].rotate()

    def die(self, number: int) -> None:
        self.writers[number].raw(b'{"call":"torn')
        self.writers[number].die()
        self.writers[number] = self._boot()
        for call in [call for call, writer in self.open.items() if writer == number]:
            del self.open[call]
            self.wanted[call] = "unresolved"

    def may_show(self, call: str) -> set[str]:
        """What the ledger may say of a call while it is behind what was written.

        An intent that another writer repeats may be read, and given up with that writer, before the call's own outcome.
        """
        return MAY_SHOW[self.wanted[call]] | ({"unresolved"} if call in self.repeated else set())

    @property
    def final(self) -> dict[str, str]:
        return {call: "ok" if wanted == "late" else wanted for call, wanted in self.wanted.items()}


MAY_SHOW = {
    "intent": {"intent"},
    "ok": {"intent", "ok"},
    "refused": {"intent", "refused"},
    "unresolved": {"intent", "unresolved"},
    "late": {"intent", "unresolved", "ok"},
}
"""A row may lag behind what was written; a call whose writer lives is never given up."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a migrated database is made, once."""
    return tmp_path_factory.mktemp("empty")


VERBS = ("intent", "outcome", "refusal", "garbage", "repeat", "late", "rotate", "die")
ACTS = st.one_of(
    st.tuples(st.sampled_from(VERBS), st.integers(0, WRITERS - 1)),
    st.tuples(st.sampled_from(VERBS[:2]), st.integers(0, WRITERS - 1)),
    st.tuples(st.just("read"), st.integers(0, 9)),
)


@settings(max_examples=25)
@given(acts=st.lists(ACTS, min_size=30, max_size=60))
async def test_every_call_has_one_row_and_the_outcome_wins(empty: Path, acts: list[tuple[str, int]]) -> None:
    template = empty / "modelwright.db"
    if not template.exists():
        await (await open_database(template)).close()
    with tempfile.TemporaryDirectory(dir=empty) as place:
        state = Path(place)
        shutil.copy(template, state / "modelwright.db")
        await _play(state, acts)


async def _play(state: Path, acts: list[tuple[str, int]]) -> None:
    (state / "spool").mkdir()
    world = World(state / "spool")
    database = await open_database(state / "modelwright.db")
    ledger, spool = MortalLedger(database), MortalSpool(state / "spool", clock=ManualClock(start=LATER))
    ingest = Ingest(spool, ledger)

    async def read(places: int) -> None:
        """A step; with `places` the reader dies at that place, and a new one comes."""
        nonlocal ingest
        ledger.fuse = spool.fuse = Fuse(places)
        try:
            await ingest.step()
        except Killed:
            ingest = Ingest(spool, ledger)

    try:
        for verb, number in acts:
            if verb != "read":
                getattr(world, verb)(number)
                continue
            await read(number)
            found = await ledger.newest(limit=1000)
            assert all(row.outcome in world.may_show(row.call) for row in found), (found, world.wanted)
        for number in range(WRITERS):
            world.die(number)
        await read(0)
        assert {found.call: found.outcome for found in await ledger.newest(limit=1000)} == world.final
        assert len(await ledger.newest(limit=1000)) == world.calls
        assert {path.name for path in world.folder.glob("*.jsonl")} == {writer.name for writer in world.writers}
    finally:
        for writer in world.writers:
            writer.die()
        await database.close()
