"""What a manifest's stores held when they were asked last: who supplies which secret, and since when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.manifest.resolve import Awaited
from modelwright.app.secret_stores.open import open_store
from modelwright.app.secret_stores.section import SecretStoreSection
from modelwright.app.settings.references import store_of
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import Fault, ManifestError, ModelwrightError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.stores import SecretStore
from modelwright.core.quantities import parse_duration
from modelwright.core.status import SecretStatus

AGAIN = 5.0
"""Seconds until a store is asked again that could not be read, or whose key a provider has refused."""

Open = Callable[[SecretStoreSection, Path], SecretStore]


class Guarded:
    """A store that is opened at its first use, and asked by one thread at a time."""

    def __init__(self, section: SecretStoreSection, base: Path, *, open_one: Open) -> None:
        self._open = lambda: open_one(section, base)
        self._store: SecretStore | None = None
        self._lock = threading.Lock()

    def read(self, names: Sequence[str]) -> Mapping[str, str]:
        """Raises StartError."""
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store.read(names)

    def close(self) -> None:
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store = None


class StoreInUse:
    """One store, what it is asked for, and what it said last."""

    def __init__(
        self, name: str, section: SecretStoreSection, *, names: Sequence[str], store: Guarded, before: StoreInUse | None
    ) -> None:
        """`names` are as this store knows them; `before` is the same store under an earlier manifest."""
        self.name = name
        self.section = section
        self.names = tuple(names)
        self.store = store
        self.known: Mapping[str, str] | None = before.known if before else None
        """None: it never answered."""
        self.trouble: StartError | None = None
        self.away_since = 0.0
        self.read_at = before.read_at if before else 0.0
        self.due = 0.0
        """When it is asked again (monotonic)."""
        self.asked = 0.0
        """When it was asked last, likewise."""
        self.since: dict[str, float] = dict(before.since) if before else {}
        """When each value was first seen."""

    def refresh(self, clock: Clock) -> None:
        """Ask it; while it does not answer, it is known by what it said before."""
        now, soon = clock.now(), clock.monotonic()
        self.asked = soon
        period = parse_duration(self.section.refresh)
        try:
            found = dict(self.store.read(self.names))
        except ModelwrightError as error:
            self._failed(StartError(error.message, hint=error.hint, place=f"secrets.{self.name}"), now)
            self.due = soon + min(period, AGAIN)
            return
        except Exception as error:  # noqa: BLE001 - a library's text may show what it was given: its kind has to do
            self._failed(StartError(f"cannot be read: {type(error).__name__}", place=f"secrets.{self.name}"), now)
            self.due = soon + min(period, AGAIN)
            return
        old = self.known or {}
        self.since = {name: self.since.get(name, now) if old.get(name) == found[name] else now for name in found}
        self.known, self.trouble, self.read_at = found, None, now
        self.due = soon + period

    def hurry(self) -> None:
        """Ask it soon: a secret of it may be out of date."""
        self.due = min(self.due, self.asked + AGAIN)

    def _failed(self, error: StartError, now: float) -> None:
        if self.trouble is None:
            self.away_since = now
        self.trouble = error


def stores_of(
    loaded: LoadedManifest, before: Sequence[StoreInUse] = (), *, open_one: Open = open_store
) -> list[StoreInUse]:
    """Those that are on; one that has not changed since `before` goes on with its connection.

    One at the same place, whatever opens it now, is still known by what it said.
    """
    known = {store.name: store for store in before}
    found: list[StoreInUse] = []
    for name, section in loaded.manifest.secrets.items():
        if name in loaded.stores_off:
            continue
        old = known.get(name)
        if old is not None and _place(old.section) != _place(section):
            old = None
        kept = old is not None and old.section == section
        store = old.store if old and kept else Guarded(section, loaded.base_dir, open_one=open_one)
        asked = (store_of(one.name) for one in loaded.awaited)
        names = dict.fromkeys(within for wanted, within in asked if wanted in {"", name})
        found.append(StoreInUse(name, section, names=[*names], store=store, before=old))
    return found


def _place(section: SecretStoreSection) -> dict[str, object]:
    """Where it is, whatever opens it and however often."""
    return section.model_dump(exclude={"optional", "refresh", "timeout", "identity", "recipients", "auth", "key", "ca"})


class Reading:
    """One manifest's secrets."""

    def __init__(
        self, loaded: LoadedManifest, stores: Sequence[StoreInUse], *, take: Callable[[Reading], None] = lambda _: None
    ) -> None:
        self.stores = tuple(stores)
        self._awaited = {one.name: one for one in reversed(loaded.awaited)}
        self._sources = loaded.sources
        self._order = loaded.secrets
        self._take = take
        self._file = loaded.path.name

    def take(self) -> None:
        """It is in force from now on."""
        self._take(self)

    def refresh(self, clock: Clock) -> None:
        """Ask all stores, side by side."""
        asked = [store for store in self.stores if store.names]
        if asked:
            with ThreadPoolExecutor(len(asked), thread_name_prefix="secrets") as threads:
                list(threads.map(lambda store: store.refresh(clock), asked))

    def close(self) -> None:
        """Let go of all stores."""
        for store in self.stores:
            store.store.close()

    def demand(self) -> None:
        """Raises ManifestError for secrets that no store holds, StartError for a store that never answered."""
        faults: list[Fault] = []
        for one in self._awaited.values():
            away = self._away(one.name)
            if away is not None and one.required:
                raise away
            if one.required and self._supplier(one.name) is None and not self._may_come(one.name):
                faults.append(self._missing(one))
        if faults:
            raise ManifestError(tuple(sorted(faults, key=lambda fault: fault.line)))

    def values(self) -> dict[str, str]:
        """By the names of references."""
        found: dict[str, str] = {}
        for name in self._awaited:
            store = self._supplier(name)
            if store is not None and store.known is not None:
                found[name] = store.known[store_of(name)[1]]
        return found

    def told(self) -> tuple[SecretStatus, ...]:
        """Every secret, where it comes from and how old that is; never a value."""
        return tuple(self._told(name) for name in self._order)

    def _told(self, name: str) -> SecretStatus:
        if name not in self._awaited:
            return SecretStatus(name=name, source=self._sources.get(name, ""))
        store = self._supplier(name)
        troubles = [one for one in self._candidates(name) if one.trouble is not None]
        trouble = "; ".join(str(one.trouble) for one in troubles)
        if store is None:
            return SecretStatus(name=name, trouble=trouble or "in no store")
        return SecretStatus(
            name=name,
            source=f"store {store.name}",
            read=store.read_at,
            since=store.since[store_of(name)[1]],
            trouble=trouble,
        )

    def _candidates(self, name: str) -> Iterator[StoreInUse]:
        wanted = store_of(name)[0]
        return (store for store in self.stores if wanted in {"", store.name})

    def _supplier(self, name: str) -> StoreInUse | None:
        """The first store that has it."""
        within = store_of(name)[1]
        return next((store for store in self._candidates(name) if within in (store.known or {})), None)

    def _away(self, name: str) -> StartError | None:
        """The trouble of a store that never answered, and may hold it before any other does."""
        for store in self._candidates(name):
            if store_of(name)[1] in (store.known or {}):
                return None
            if store.known is None and not store.section.optional:
                return store.trouble
        return None

    def _may_come(self, name: str) -> bool:
        return any(store.known is None and store.section.optional for store in self._candidates(name))

    def _missing(self, one: Awaited) -> Fault:
        within = store_of(one.name)[1]
        stores = [store.name for store in self._candidates(one.name)]
        where = f"store {stores[0]} does" if len(stores) == 1 else f"stores {', '.join(stores)} do"
        return Fault(
            path=self._file,
            line=one.line,
            key=one.place,
            problem=f"the {where} not hold `${{secret:{one.name}}}`",
            remedy=f"put {within} there, such as by `modelwright secrets set {within}`, or set it in the environment",
        )
