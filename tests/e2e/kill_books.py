"""Compares what upstreams have received and given with what the ledger says, request by request."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.gateway_site import DevProvider

SETTLED = frozenset({"ok", "client_disconnect"})
"""Outcomes that a call may have whose answer its upstream sent to the end."""


class Given(NamedTuple):
    """One request as its upstream saw it."""

    who: str
    """Whose call it was made for; each makes one."""
    tokens: int
    """Of its answer; 0 unless it was sent to its end."""
    finished: bool
    """The answer was sent to its end, or there was nobody to send it to."""


class Row(NamedTuple):
    """What the ledger says of one request."""

    who: str
    provider: str
    outcome: str
    output_tokens: int | None


class Journal:
    """All that a dev provider has received; to be read before it forgets, since it keeps so many only."""

    def __init__(self, provider: DevProvider, *, tokens: int) -> None:
        """`tokens`: of an answer that is no stream."""
        self._provider = provider
        self._tokens = tokens
        self._found: dict[int, Given] = {}
        self._under_way: set[int] = set()
        self._last = 0

    @property
    def requests(self) -> Sequence[Given]:
        """All up to the last reading."""
        return tuple(self._found.values())

    def read(self) -> None:
        """Take in what is new, and how those ended that were under way."""
        for entry in self._provider.seen(after=min(self._under_way, default=self._last + 1) - 1)["requests"]:
            number, given = entry["number"], self._given(entry)
            self._found[number] = given
            self._last = max(self._last, number)
            (self._under_way.discard if given.finished else self._under_way.add)(number)

    def _given(self, entry: Mapping[str, Any]) -> Given:
        body, gone = entry["body"], entry["client_gone"]
        said = 0 if entry["path"].endswith("/embeddings") else self._tokens
        sent = entry["tokens"] if body.get("stream") else said
        whole = entry["finished"] and not gone and entry["status"] == 200
        who = body["metadata"]["call"] if "metadata" in body else body["user"]
        return Given(who, sent if whole else 0, entry["finished"] or gone)


class Balance(NamedTuple):
    """What was compared."""

    unrecorded: Sequence[str]
    """`provider/who` of requests that have no row."""
    unasked: Sequence[str]
    """`provider/who` of settled rows that stand for no request."""
    denied: Sequence[str]
    """`provider/who` of answers that were given whole, and that the ledger says were not."""
    requests: int
    """That upstreams have received."""
    unresolved: frozenset[str]
    """Whose calls have no outcome, since their worker died."""
    answered: int
    """Rows that are ok."""
    failed: int
    """Rows of another outcome, such as attempts that were followed by another."""
    tokens: tuple[int, int]
    """Given by upstreams and recorded by the ledger, of the rows that are ok."""

    def problems(self) -> list[str]:
        """In what the books are not exact, in words; the first few of each kind by name."""
        told = {
            "requests without a row": self.unrecorded,
            "settled rows without a request": self.unasked,
            "whole answers that have another outcome": self.denied,
        }
        found = [f"{len(names)} {words}, such as {', '.join(names[:3])}" for words, names in told.items() if names]
        if self.tokens[0] != self.tokens[1]:
            found.append(f"upstreams gave {self.tokens[0]} tokens, the ledger says {self.tokens[1]}")
        return found


def balance(journals: Mapping[str, Journal], rows: Sequence[Row]) -> Balance:
    """By provider and whose call it was."""
    received = Counter((name, given.who) for name, journal in journals.items() for given in journal.requests)
    whole = {
        (name, given.who): given.tokens
        for name, journal in journals.items()
        for given in journal.requests
        if given.tokens
    }
    settled = {(row.provider, row.who): row for row in rows if row.outcome != "unresolved"}
    fine = {place: row for place, row in settled.items() if row.outcome == "ok"}
    return Balance(
        unrecorded=_named(received - Counter((row.provider, row.who) for row in rows)),
        unasked=_named(Counter((row.provider, row.who) for row in rows if row.outcome != "unresolved") - received),
        denied=_named(Counter(place for place in whole if place in settled and settled[place].outcome not in SETTLED)),
        requests=received.total(),
        unresolved=frozenset(row.who for row in rows if row.outcome == "unresolved"),
        answered=len(fine),
        failed=len(settled) - len(fine),
        tokens=(
            sum(whole.get(place, 0) for place in fine),
            sum(row.output_tokens or 0 for row in fine.values()),
        ),
    )


def ledger(state: Path, *, who: str = "user") -> list[Row]:
    """The database's rows of requests that were made; `who` is the column that says whose each was."""
    asked = f'SELECT "{who}", provider, outcome, output_tokens FROM ledger'  # noqa: S608 - our own names
    with closing(sqlite3.connect(state / "modelwright.db")) as database:
        return [Row(*row) for row in database.execute(f"{asked} WHERE attempts > 0 OR outcome = 'unresolved'")]


def _named(places: Counter[tuple[str, str]]) -> list[str]:
    return [f"{provider}/{who}" for provider, who in places.elements()]
