"""Secrets on their way from the supervisor to its workers."""

import os
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.secret_stores.handing import Hand, Handed, told_of


@given(st.lists(st.dictionaries(st.text(max_size=9), st.text(max_size=99), max_size=9), min_size=1, max_size=9))
def test_what_is_given_is_what_is_taken(states: list[dict[str, str]]) -> None:
    hand = Hand(Path("/tmp"))
    hand.give({})
    handed = Handed(hand.descriptor)
    for before, values in zip([{}, *states], states, strict=False):
        assert hand.give(values) == (values != before)
        assert handed.look() == (values != before)
        assert {name: handed.get(name) for name in values} == values
        assert handed.get("nobody knows this") is None
    hand.close()


def test_without_a_descriptor_nothing_was_handed_over() -> None:
    assert not Handed().look()
    assert Handed().get("A") is None


def test_a_torn_state_is_never_seen(tmp_path: Path) -> None:
    hand = Hand(tmp_path)
    hand.give({"A": "x"})
    handed = Handed(hand.descriptor)
    whole = os.pread(hand.descriptor, 1 << 20, 0)
    for cut in range(len(whole)):
        os.ftruncate(hand.descriptor, 0)
        os.pwrite(hand.descriptor, whole[:cut].ljust(len(whole), b"\0") if cut < 24 else whole[:cut], 0)
        handed.look()
        assert handed.get("A") == "x"
    hand.close()


def test_a_reader_beside_a_writer_sees_whole_states_only(tmp_path: Path) -> None:
    hand = Hand(tmp_path)
    hand.give({"A": "0", "B": "0"})
    handed = Handed(hand.descriptor)
    over = threading.Event()

    def write() -> None:
        for number in range(2000):
            hand.give({"A": str(number) * 500, "B": str(number) * 500})
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: set[str | None] = set()
    while not over.is_set():
        handed.look()
        assert handed.get("A") == handed.get("B")
        seen.add(handed.get("A"))
    writer.join()
    handed.look()
    assert handed.get("A") == "1999" * 500
    assert len(seen) > 1
    hand.close()


def test_a_run_that_has_said_nothing_yet_tells_nothing(tmp_path: Path) -> None:
    assert told_of(tmp_path) == ()
