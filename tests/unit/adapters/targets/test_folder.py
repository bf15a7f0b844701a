"""The memory of an environment in a folder survives what is cut off, and tells secrets to nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelwright.adapters.targets.folder import safe
from modelwright.adapters.targets.folder.state import HISTORY, State
from modelwright.adapters.targets.kept import (
    EVERYBODY,
    Adopt,
    Append,
    Deliver,
    Direct,
    Entries,
    Filled,
    Forget,
    History,
    Lacking,
    Look,
    Memory,
    Place,
    Record,
    Take,
)
from modelwright.core.deploying.front import Front
from modelwright.core.deploying.journal import Begun, Taken
from modelwright.core.deploying.observed import Served
from modelwright.core.deploying.steps import Plan
from modelwright.core.deploying.workloads import Desired, Mount, Workload
from modelwright.core.errors.deploying import DeployError, LeaseLost
from modelwright.core.ports.clock import ManualClock

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")
PLAN = Plan(project="kb", environment="test", release="r1", world="w", steps=())
BEGUN = Begun(at=1.0, epoch=0, plan=PLAN, who="ada", where="here")
ME = os.geteuid()


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state", clock=ManualClock())


def look(state: State) -> Memory:
    found = state.answer(Look())
    assert isinstance(found, Memory)
    return found


def desired(*digests: str) -> Desired:
    mounts = tuple(Mount(path=f"/{digest}", digest=digest) for digest in digests)
    return Desired(
        project="kb", environment="test", workloads=(Workload(name="api", kind="app", image="i", mounts=mounts),)
    )


def deliver(state: State, digest: str, content: bytes, *, user: int = EVERYBODY, size: int = 3) -> None:
    for offset in range(0, len(content), size):
        piece, last = content[offset : offset + size], offset + size >= len(content)
        state.answer(Deliver(epoch=0, digest=digest, offset=offset, piece=piece, last=last, user=user))


def serve(state: State, release: str, share: int = 100) -> None:
    state.answer(Record(epoch=0, served=Served(release=release, at=0.0, digest="d", who="a", where="b", share=share)))


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_is_passed_over_and_the_next_one_is_whole(tmp_path: Path, cut: int) -> None:
    state, journal = State(tmp_path, clock=ManualClock()), tmp_path / "journal.jsonl"
    entries = [BEGUN, *(Taken(at=2.0, epoch=0, number=number) for number in range(3))]
    for entry in entries:
        state.answer(Append(entry=entry))
    journal.write_bytes(journal.read_bytes()[:-cut])
    whole = journal.read_bytes().count(b"\n")
    assert state.answer(Entries()) == entries[:whole]
    state.answer(Append(entry=entries[-1]))
    assert state.answer(Entries()) == [*entries[:whole], entries[-1]]


def test_what_is_no_entry_is_passed_over(tmp_path: Path) -> None:
    state = State(tmp_path, clock=ManualClock())
    state.answer(Append(entry=BEGUN))
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(b'{"entry": "from a later version"}\n\0\0\0\n')
    state.answer(Append(entry=BEGUN))
    assert state.answer(Entries()) == [BEGUN]


def test_releases_are_known_newest_first_and_the_salt_stays(state: State, tmp_path: Path) -> None:
    for name in ("r1", "r2", "r1"):
        state.answer(Place(epoch=0, release=name, desired=desired()))
    seen = look(state)
    assert [*seen.releases] == ["r1", "r2"]
    assert len(seen.salt) == 64
    assert look(State(tmp_path / "state", clock=ManualClock())).salt == seen.salt
    assert seen.disk > 0


def test_a_release_that_is_tried_is_not_the_current_one(state: State) -> None:
    serve(state, "r1")
    serve(state, "r2", share=10)
    assert look(state).current == "r1"
    history = state.answer(History())
    assert isinstance(history, list)
    assert [(one.release, one.share, one.at) for one in history] == [("r2", 10, 1.7e9), ("r1", 100, 1.7e9)]


def test_history_is_bounded_and_has_enough(tmp_path: Path) -> None:
    state = State(tmp_path, clock=ManualClock())
    serve(state, "r0")
    line = (tmp_path / "history.jsonl").read_bytes()
    (tmp_path / "history.jsonl").write_bytes(line * (2 * HISTORY - 1))
    serve(state, "r1")
    history = state.answer(History())
    assert isinstance(history, list)
    assert len(history) == HISTORY
    assert history[0].release == "r1"


def test_what_served_is_not_forgotten_when_a_deploy_is_undone(state: State) -> None:
    for name in ("r1", "r2"):
        state.answer(Place(epoch=0, release=name, desired=desired()))
    serve(state, "r1")
    state.answer(Forget(epoch=0, releases=("r1", "r2"), unserved=True))
    assert [*look(state).releases] == ["r1"]
    state.answer(Forget(epoch=0, releases=("r1",)))
    assert [*look(state).releases] == []


def test_files_go_with_the_last_release_that_has_them(state: State) -> None:
    deliver(state, A, b"shared")
    deliver(state, B, b"of r1 alone", user=ME)
    state.answer(Place(epoch=0, release="r1", desired=desired(A, B)))
    state.answer(Place(epoch=0, release="r2", desired=desired(A)))
    assert state.answer(Lacking(files=((A, EVERYBODY), (B, ME), (B, EVERYBODY)))) == [(B, EVERYBODY)]
    state.answer(Forget(epoch=0, releases=("r1",)))
    assert state.answer(Lacking(files=((A, EVERYBODY), (B, ME)))) == [(B, ME)]


def test_a_secret_is_readable_by_its_user_alone_and_masked_everywhere(state: State) -> None:
    deliver(state, A, b"hunter22\nsecond line", user=ME)
    deliver(state, B, b"public text")
    secret, public = state.files.path(A, ME), state.files.path(B, EVERYBODY)
    assert (secret.stat().st_mode & 0o777, secret.stat().st_uid) == (0o400, ME)
    assert public.stat().st_mode & 0o777 == 0o444
    assert state.files.read(A) == b"hunter22\nsecond line"
    assert state.files.masked("login hunter22 of public text, second line.") == "login *** of public text, ***."
    deliver(state, C, b"postgresql://app:swordfish@db/x", user=ME)
    assert state.files.masked("password=swordfish") == "password=***"


def test_a_file_whose_pieces_have_a_gap_is_refused_and_can_be_sent_again(state: State) -> None:
    state.answer(Deliver(epoch=0, digest=A, offset=0, piece=b"abc", last=False))
    with pytest.raises(DeployError, match="order"):
        state.answer(Deliver(epoch=0, digest=A, offset=4, piece=b"e", last=True))
    deliver(state, A, b"abcde")
    assert state.files.read(A) == b"abcde"


@pytest.mark.parametrize("digest", ["../../etc/passwd", "sha256:../x", ""])
def test_a_digest_that_is_none_names_no_file(state: State, digest: str) -> None:
    with pytest.raises(DeployError, match="digest"):
        deliver(state, digest, b"x")


@pytest.mark.parametrize(
    "change",
    [
        Place(epoch=0, release="r1", desired=desired()),
        Forget(epoch=0, releases=("r1",)),
        Direct(epoch=0, front=Front()),
        Filled(epoch=0, volume="v", digest=A),
        Deliver(epoch=0, digest=A, offset=0, piece=b"", last=True),
    ],
)
def test_nothing_is_changed_under_a_lease_that_was_lost(state: State, change: Place) -> None:
    state.answer(Take(owner="bob"))
    with pytest.raises(LeaseLost, match="bob"):
        state.answer(change)


def test_traffic_and_volumes_are_remembered(state: State) -> None:
    front = Front(kind="nginx", shares={"kb": {"r1": 100}})
    state.answer(Direct(epoch=0, front=front))
    state.answer(Filled(epoch=0, volume="weights", digest=A))
    assert (look(state).front, look(state).volumes) == (front, {"weights": A})
    state.answer(Filled(epoch=0, volume="weights", digest=""))
    assert look(state).volumes == {}


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(DeployError, match=r"state: the target's memory cannot be used.*this user may write") as error:
        State(tmp_path / "state", clock=ManualClock()).answer(Look())
    assert error.value.place == str(tmp_path / "state")


def test_a_writer_that_is_killed_leaves_whole_lines(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from modelwright.adapters.targets.folder import safe
print("up", flush=True)
number = 0
while True:
    safe.append(Path({str(tmp_path / "lines")!r}), b"%d" % number)
    number += 1
    print(number, flush=True)
"""
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    while writer.stdout.readline() != "5\n":
        assert writer.poll() is None
    writer.kill()
    told = [5, *(int(line) for line in writer.stdout.read().splitlines())]
    writer.wait()
    writer.stdout.close()
    written = [int(line) for line in safe.lines(tmp_path / "lines")]
    assert written == [*range(len(written))]
    assert len(written) >= told[-1]


def test_a_salt_is_taken_over_only_where_nothing_was_placed(state: State) -> None:
    epoch = state.answer(Take(owner="ada")).epoch
    assert look(state).salt != "another"
    state.answer(Adopt(epoch=epoch, salt="another"))
    assert look(state).salt == "another"
    state.answer(Place(epoch=epoch, release="r1", desired=desired()))
    with pytest.raises(DeployError, match="from another salt"):
        state.answer(Adopt(epoch=epoch, salt="a third"))
    assert look(state).salt == "another"
