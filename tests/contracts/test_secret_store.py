"""One suite for every store of secrets: what it holds, what it does not, and how it says that it cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelwright.adapters.secrets import age
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.stores import SecretStore

HELD = {"PLAIN": "sk-canary-1 ü", "LINES": "a\nb\n", "JSON": '{"key":"sk-canary-2","number":7}'}


class Place:
    """A store that can be filled, and what breaks it."""

    def __init__(self, store: SecretStore, fill: Callable[[Mapping[str, str]], None]) -> None:
        self.store = store
        self.fill = fill


@contextmanager
def age_file(folder: Path) -> Iterator[Place]:
    identity, recipient = age.new_identity()
    path = folder / "secrets.age"
    store = age.AgeFile(path, identity=f"# a comment\n{identity}\n")
    yield Place(store, lambda values: _write(path, age.encrypted(values, [recipient])))
    store.close()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


PLACES = {"age": age_file}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as found:
        found.fill(HELD)
        yield found


def test_it_tells_what_it_holds_and_leaves_out_what_it_does_not(place: Place) -> None:
    assert place.store.read([*HELD, "NONE"]) == HELD
    assert place.store.read([]) == {}


def test_a_field_of_a_map_is_asked_for_by_name(place: Place) -> None:
    assert place.store.read(["JSON#key", "JSON#none", "NONE#key"]) == {"JSON#key": "sk-canary-2"}


@pytest.mark.parametrize("name", ["PLAIN#key", "JSON#number"])
def test_what_is_no_text_is_named_without_a_value(place: Place, name: str) -> None:
    with pytest.raises(StartError, match=name.partition("#")[0]) as refused:
        place.store.read([name])
    assert "canary" not in str(refused.value)
    assert refused.value.hint


def test_a_changed_value_is_seen(place: Place) -> None:
    place.store.read(["PLAIN"])
    place.fill({"PLAIN": "sk-other"})
    assert place.store.read(["PLAIN", "JSON"]) == {"PLAIN": "sk-other"}


BROKEN_AGE = [
    (lambda path: path.unlink(), "is not there"),
    (lambda path: path.write_bytes(path.read_bytes()[:-70]), "is damaged"),
    (lambda path: path.write_bytes(b""), "is damaged"),
    (lambda path: path.write_bytes(b"-" * (2 << 20)), "larger than 1 MiB"),
    (lambda path: path.write_bytes(age.encrypted(HELD, [age.new_identity()[1]])), "not encrypted for this identity"),
    (lambda path: path.chmod(0) or path.unlink() or path.mkdir(), "cannot be read"),
]


@pytest.mark.parametrize(("spoil", "problem"), BROKEN_AGE, ids=[problem for _, problem in BROKEN_AGE])
def test_what_it_cannot_read_is_named_without_a_value(
    tmp_path: Path, spoil: Callable[[Path], object], problem: str
) -> None:
    with age_file(tmp_path) as place:
        place.fill(HELD)
        spoil(tmp_path / "secrets.age")
        with pytest.raises(StartError, match=problem) as refused:
            place.store.read(["PLAIN"])
    assert "canary" not in str(refused.value)
    assert "secrets.age" in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize("plain", [b"NAME=sk-canary", b'["sk-canary"]', b'{"A":7}', b"\xff"])
def test_an_encrypted_file_of_another_kind_is_refused(tmp_path: Path, plain: bytes) -> None:
    identity, recipient = age.new_identity()
    path = tmp_path / "secrets.age"
    path.write_bytes(age.pyrage.encrypt(plain, [age.pyrage.x25519.Recipient.from_str(recipient)]))
    with pytest.raises(StartError, match="does not hold a JSON map") as refused:
        age.AgeFile(path, identity=identity).read(["A"])
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "# nothing", "sk-canary", "AGE-SECRET-KEY-1CANARY"])
def test_a_bad_identity_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(StartError, match="identity") as refused:
        age.AgeFile(tmp_path / "secrets.age", identity=text)
    assert "canary" not in str(refused.value).lower()


def test_a_file_can_be_opened_by_each_of_its_recipients() -> None:
    people = [age.new_identity() for _ in range(3)]
    content = age.encrypted(HELD, [recipient for _, recipient in people[:2]])
    for identity, _ in people[:2]:
        assert b"sk-canary-1" in age.pyrage.decrypt(content, age.identities(identity))
    with pytest.raises(age.pyrage.DecryptError):
        age.pyrage.decrypt(content, age.identities(people[2][0]))
