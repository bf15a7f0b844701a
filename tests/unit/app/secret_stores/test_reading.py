"""Which store supplies which secret, while stores answer and while they do not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from modelwright.app.manifest.load import LoadedManifest, check_manifest, load_manifest
from modelwright.app.secret_stores.handing import Handed, told_of
from modelwright.app.secret_stores.reading import AGAIN
from modelwright.app.secret_stores.section import SecretStoreSection
from modelwright.app.secret_stores.stores import SecretStores
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ManifestError
from modelwright.core.ports.clock import ManualClock

STORES = """
secrets:
  one: {kind: age, source: ./one.age, identity: "${env:IDENTITY}"}
  two: {kind: age, source: ./two.age, identity: "${env:IDENTITY}", refresh: 30s}
"""
PROVIDER = """
providers: {v: {kind: openai, keys: [KEYS]}, w: {kind: openai, keys: ["${secret:W}"], optional: true}}
endpoints: {e: {variants: {a: {provider: v, model: m}}}}
"""
ENV = {"IDENTITY": "AGE-SECRET-KEY-1"}


class Fake:
    """A store whose content and health the test sets."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.away = ""
        self.asked: list[list[str]] = []
        self.closed = 0

    def read(self, names: Collection[str]) -> Mapping[str, str]:
        self.asked.append(sorted(names))
        if self.away:
            raise StartError(self.away, hint="wait")
        return {name: self.held[name] for name in names if name in self.held}

    def close(self) -> None:
        self.closed += 1


class World:
    """A manifest, its stores, and what workers got."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(1000.0)
        self.fakes = {"one": Fake(), "two": Fake()}
        self.said: list[str] = []
        self.stores = SecretStores(folder, clock=self.clock, say=self.said.append, open_one=self._open)
        self.handed = Handed()

    def load(self, key: str = "${secret:K}", *, stores: str = STORES, **env: str) -> LoadedManifest:
        path = self.folder / "modelwright.yaml"
        path.write_text(f"schema: 1\nname: test\n{stores}{PROVIDER.replace('KEYS', repr(key))}")
        return load_manifest(path, environment="development", env={**ENV, **env})

    def begin(self, loaded: LoadedManifest) -> None:
        self.stores.read(loaded).take()
        self.handed = Handed(self.stores.descriptor)

    def told(self) -> list[tuple[str, str, str]]:
        return [(secret.name, secret.source, secret.trouble) for secret in told_of(self.folder)]

    def closed(self) -> list[int]:
        """How often each was closed, when everybody has said goodbye."""
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and thread.daemon:
                thread.join(timeout=1)
        return [fake.closed for fake in self.fakes.values()]

    def _open(self, section: SecretStoreSection, base: Path) -> Fake:
        assert base == self.folder
        return self.fakes[Path(section.source).stem]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_first_store_that_holds_a_secret_supplies_it(world: World) -> None:
    world.fakes["two"].held = {"K": "second", "W": "w"}
    world.begin(world.load())
    assert (world.handed.get("K"), world.handed.get("W")) == ("second", "w")
    assert world.told() == [("K", "store two", ""), ("W", "store two", "")]
    world.fakes["one"].held = {"K": "first"}
    world.begin(world.load())
    assert world.handed.get("K") == "first"
    assert told_of(world.folder)[1].since == 1000.0


def test_a_store_may_be_named_and_then_no_other_counts(world: World) -> None:
    world.fakes["one"].held = {"K": "first"}
    world.fakes["two"].held = {"K": "second", "deep/er#f.g": "field"}
    world.begin(world.load("${secret:two/K}", K="from the environment"))
    assert world.handed.get("two/K") == "second"
    world.begin(world.load("${secret:two/deep/er#f.g}"))
    assert world.handed.get("two/deep/er#f.g") == "field"
    assert world.fakes["one"].asked[-1] == ["W"]


def test_the_environment_comes_first_and_no_store_is_asked(world: World) -> None:
    world.fakes["one"].away = world.fakes["two"].away = "nobody is there"
    world.begin(world.load(K="mine", W="mine"))
    assert world.told() == [("K", "environment", ""), ("W", "environment", "")]
    assert not world.fakes["one"].asked
    assert world.handed.get("K") is None


def test_what_no_store_holds_is_a_fault_with_its_line(world: World) -> None:
    with pytest.raises(ManifestError) as refused:
        world.stores.read(world.load())
    (fault,) = refused.value.faults
    assert (fault.line, fault.key) == (8, "providers.v.keys[0]")
    assert fault.problem == "the stores one, two do not hold `${secret:K}`"
    with pytest.raises(ManifestError, match=r"the store two does not hold `\${secret:two/K#f}`"):
        world.stores.read(world.load("${secret:two/K#f}"))


def test_a_start_needs_its_stores(world: World) -> None:
    world.fakes["one"].away = "the door is locked"
    world.fakes["two"].held = {"K": "second"}
    with pytest.raises(StartError) as refused:
        world.stores.read(world.load())
    assert str(refused.value) == "secrets.one: the door is locked (wait)"
    world.fakes["one"].away = ""
    world.fakes["two"].away = "the door is locked"
    world.fakes["one"].held = {"K": "first"}
    world.begin(world.load())
    assert world.handed.get("K") == "first", "a later store is not needed for it"


def test_an_optional_store_may_be_away_at_the_start_and_come_later(world: World) -> None:
    world.fakes["one"].away = "the door is locked"
    stores = STORES.replace("one.age", "one.age, optional: true")
    world.begin(world.load("${secret:one/K}", stores=stores))
    assert world.handed.get("one/K") is None
    assert world.told()[0] == ("one/K", "", "secrets.one: the door is locked (wait)")
    assert world.said == ["warning: secrets.one: the door is locked (wait); the start goes on without it"]


def test_an_optional_store_that_lacks_a_variable_is_off(world: World) -> None:
    stores = STORES.replace("one.age", "one.age, optional: true").replace("${env:IDENTITY}", "${env:NONE}", 1)
    world.fakes["one"].held = {"K": "first"}
    world.fakes["two"].held = {"K": "second"}
    loaded = world.load(stores=stores)
    assert loaded.stores_off == {"one": "set NONE"}
    world.begin(loaded)
    assert world.handed.get("K") == "second"
    with pytest.raises(ManifestError, match=r"`\${secret:one/K}` is missing or empty"):
        world.load("${secret:one/K}", stores=stores)


def test_a_store_that_is_away_is_known_by_what_it_said(world: World) -> None:
    world.fakes["two"].held = {"K": "second"}
    world.begin(world.load())
    world.fakes["two"].away = "the door is locked"
    world.clock.advance(60)
    reading = world.stores.read(world.load())
    reading.take()
    assert world.handed.get("K") == "second"
    told = told_of(world.folder)[0]
    assert (told.read, told.since, told.trouble) == (1000.0, 1000.0, "secrets.two: the door is locked (wait)")
    with pytest.raises(ManifestError, match="do not hold"):
        world.stores.read(world.load("${secret:NEW}"))
    assert world.handed.get("K") == "second", "a reading that was refused changes nothing"


def test_what_opens_a_store_may_be_exchanged_while_it_is_away(world: World) -> None:
    world.fakes["two"].held = {"K": "second"}
    world.begin(world.load())
    world.fakes["two"].away = "the door is locked"
    world.begin(world.load(IDENTITY="another"))
    assert world.handed.get("K") == "second"
    assert world.closed() == [1, 1]
    with pytest.raises(StartError, match="the door is locked"):
        world.stores.read(world.load("${secret:two/K}", stores=STORES.replace("./two.age", "././two.age")))


def test_a_store_whose_key_was_refused_is_asked_soon_but_not_at_every_call(world: World) -> None:
    world.fakes["two"].held = {"K": "second"}
    reading = world.stores.read(world.load())
    (_, two) = reading.stores
    assert two.due == world.clock.monotonic() + 30
    two.hurry()
    assert two.due == world.clock.monotonic() + AGAIN
    world.clock.advance(20)
    two.hurry()
    assert two.due < world.clock.monotonic()


def test_a_store_that_has_not_changed_is_kept_open(world: World) -> None:
    world.fakes["two"].held = {"K": "second"}
    world.begin(world.load())
    world.begin(world.load())
    assert world.closed() == [0, 0]
    world.begin(world.load(stores=STORES.replace("30s", "31s")))
    assert world.closed() == [0, 1]


def test_what_opens_a_store_is_followed_and_kept_from_workers(world: World) -> None:
    (world.folder / "key").write_text("AGE-SECRET-KEY-1")
    loaded = world.load(stores=STORES.replace("${env:IDENTITY}", "${file:./key}", 1), K="k", W="w")
    assert {"one.age", "two.age", "key"} <= {path.name for path in loaded.files}
    assert loaded.credentials == ("IDENTITY",)
    loaded = world.load(stores="secrets: {one: {kind: aws, region: eu}}", K="k", W="w")
    assert "AWS_SECRET_ACCESS_KEY" in loaded.credentials


def test_a_check_opens_no_store_and_tells_which_would_be_asked(world: World) -> None:
    world.load("${secret:two/K}", W="w")
    report = check_manifest(world.folder / "modelwright.yaml", environment="development", env={**ENV, "W": "w"})
    assert report.secrets == {"two/K": "store two, not asked here", "W": "environment"}
    assert not report.faults


WRONG: list[tuple[Callable[[str], str], str, str]] = [
    (lambda text: text.replace("source: ./one.age, ", ""), "secrets.one", "needs `source`"),
    (lambda text: text.replace(', identity: "${env:IDENTITY}"', "", 1), "secrets.one", "needs `identity`"),
    (lambda text: text.replace("${env:IDENTITY}", "${secret:K}", 1), "secrets.one.identity", "cannot stand here"),
    (lambda text: text.replace("one.age", "one.age, recipients: [age1]"), "secrets.one.recipients[0]", "no recipient"),
    (lambda text: text.replace("kind: age", "kind: ag", 1), "secrets.one.kind", "not known here"),
    (lambda text: text.replace("${secret:W}", "${secret:tow/W}"), "providers.w.keys[0]", "no store 'tow'"),
]


@pytest.mark.parametrize(("spoil", "key", "problem"), WRONG, ids=[problem for _, _, problem in WRONG])
def test_what_is_wrong_is_named(world: World, spoil: Callable[[str], str], key: str, problem: str) -> None:
    world.load()
    path = world.folder / "modelwright.yaml"
    path.write_text(spoil(path.read_text()))
    (fault, *_) = check_manifest(path, environment="development", env=ENV).faults
    assert fault.key == key
    assert problem in fault.problem
    assert fault.remedy


VAULT = """
secrets:
  kv: {kind: vault, address: "https://vault:8200", auth: {approle: {role_id: r, secret_id: "${env:IDENTITY}"}}}
"""
WRONG_VAULT: list[tuple[str, str, str, str]] = [
    ("https://vault:8200", "http://vault:8200", "secrets.kv.address", "is http, so that anybody"),
    ("https://vault:8200", "vault", "secrets.kv.address", "is not http(s)"),
    ('address: "https://vault:8200", ', "", "secrets.kv", "needs `address`"),
    ("kind: vault,", "kind: vault, path: /team,", "secrets.kv.path", "is no path in Vault"),
    ("kind: vault,", "kind: vault, mount: 'a b',", "secrets.kv.mount", "is no path in Vault"),
    ("kind: vault,", "kind: vault, source: ./a.age,", "secrets.kv.source", "`source` is for age, not for vault"),
    ("auth: {", "auth: {token: '${env:IDENTITY}', ", "secrets.kv.auth", "approle and token, and one way in is needed"),
    ('{approle: {role_id: r, secret_id: "${env:IDENTITY}"}}', "{}", "secrets.kv.auth", "names no way"),
    ("role_id: r, ", "", "secrets.kv.auth.approle", "`role_id` is missing"),
    ("${env:IDENTITY}", "${env:NONE}", "secrets.kv.auth.approle.secret_id", "is missing or empty"),
    ("${env:IDENTITY}", "${secret:K}", "secrets.kv.auth.approle.secret_id", "cannot stand here"),
    ("kind: vault,", "kind: vault, region: eu,", "secrets.kv.region", "`region` is for aws, not for vault"),
    ("kind: vault,", "kind: aws,", "secrets.kv", "needs `region`"),
    ("kind: vault,", "kind: aws, endpoint: 'http://h',", "secrets.kv.endpoint", "is http, so that anybody"),
]


@pytest.mark.parametrize(("old", "new", "key", "problem"), WRONG_VAULT, ids=[row[3] for row in WRONG_VAULT])
def test_what_is_wrong_with_vault_is_named(world: World, old: str, new: str, key: str, problem: str) -> None:
    world.load(stores=VAULT)
    path = world.folder / "modelwright.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    found = check_manifest(path, environment="development", env=ENV).faults
    (fault,) = [fault for fault in found if fault.key == key]
    assert problem in fault.problem
    assert fault.remedy


def test_an_identity_in_the_file_is_a_warning_in_development_and_a_fault_elsewhere(world: World) -> None:
    world.load()
    path = world.folder / "modelwright.yaml"
    path.write_text(path.read_text().replace("${env:IDENTITY}", "AGE-SECRET-KEY-1CANARY", 1))
    report = check_manifest(path, environment="development", env=ENV)
    assert [fault.key for fault in report.warnings] == ["secrets.one.identity"]
    assert ["in test, production" in fault.problem for fault in report.faults] == [True]
    assert "CANARY" not in f"{report}"
