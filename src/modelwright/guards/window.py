"""Lets a text through in pieces: findings are masked however the pieces are cut, and little is held back."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence

from modelwright.guards.plain import Positions, plain, plain_json, unfinished_escape, unfinished_run
from modelwright.guards.span import SEEN, WINDOW, Detector, Rest, Span

ALLOW, FLAG, MASK, BLOCK = "allow", "flag", "mask", "block"
Tell = Callable[[Span, int], None]
"""Told of each finding and of the place in the text where it begins; it raises to stop the text."""

_KEPT = SEEN + 4
"""Characters that were let through and are kept, since they may decide on what comes next."""
_RUN = re.compile(r"[!-~]++\Z")


class Window:
    """One text. What `push` and `finish` give, joined, is the text with its findings masked.

    At most WINDOW plain characters wait: those of the last word, or of a number that may go on. A whole text takes the
    same way, which is why it makes no difference where a stream is cut.
    """

    __slots__ = (
        "_actions",
        "_allowed",
        "_at",
        "_base",
        "_covered",
        "_detectors",
        "_json",
        "_plain",
        "_quotes",
        "_raw",
        "_rests",
        "_tell",
    )

    def __init__(
        self, detectors: Sequence[Detector], tell: Tell, *, actions: Mapping[str, str], json: bool = False
    ) -> None:
        """`actions` by kind of finding; `json`: the text is JSON as it stands on the wire, as of a tool."""
        self._detectors = detectors
        self._tell = tell
        self._actions = actions
        self._json = json
        self._raw = ""
        self._base = 0
        """Place in the whole text at which `_raw` begins."""
        self._at = 0
        """In `_raw`: what comes before was let through or masked."""
        self._covered = 0
        """In `_raw`: up to here a finding reaches that was masked already."""
        self._allowed = 0
        """In `_raw`: up to here nothing is a finding, since a rule allows it."""
        self._plain = 0
        """In `_raw`: up to here every character is as detectors read it, so that nobody looks again."""
        self._rests: list[tuple[Rest, int]] = []
        """Findings that go on, and how many characters of them may still come."""
        self._quotes = 0

    @property
    def waiting(self) -> bool:
        """Whether `finish` has something to say."""
        return len(self._raw) > self._at

    @property
    def held(self) -> str:
        """What waits, unjudged; without what belongs to a finding that was masked."""
        return self._raw[self._covered :]

    def push(self, piece: str) -> str:
        """Take the next piece; what may go out now."""
        raw = self._raw + piece
        cut = unfinished_run(raw)
        if self._json:
            cut = min(cut, unfinished_escape(raw))
        return self._take(raw, max(cut, self._at), end=False)

    def whole(self, text: str) -> str:
        """A text that is all there, as a first and last piece."""
        return self._take(text, len(text), end=True)

    def finish(self) -> str:
        """The text is over; what waited."""
        return self._take(self._raw, len(self._raw), end=True)

    def _take(self, raw: str, cut: int, *, end: bool) -> str:
        seen = raw if cut == len(raw) else raw[:cut]
        text, places = plain_json(seen) if self._json else plain(seen, known=self._plain)
        self._plain = len(seen) if text is seen else 0
        start = _index(places, self._at)
        covered = _index(places, self._covered)
        if self._rests:
            covered = self._go_on(text, covered)
        hold = len(text) if end else self._hold(text, start)
        spans = self._spans(text, start, hold)
        if not spans and covered <= start:
            out = seen[self._at : hold if places is None else places[hold]]
        else:
            out, covered = self._masked(seen, places, text=text, start=start, hold=hold, covered=covered, spans=spans)
        if self._json:
            self._quotes += text.count('"', start, hold)
        if places is not None:
            hold, covered = places[hold], places[covered]
        self._keep(raw, hold, covered)
        return out

    def _masked(
        self, seen: str, places: Positions, *, text: str, start: int, hold: int, covered: int, spans: list[Span]
    ) -> tuple[str, int]:
        out: list[str] = []
        done = self._at
        for span in self._not_allowed(spans, places):
            here = span.start if places is None else places[span.start]
            action = self._actions[span.kind]
            if action != MASK or span.start >= covered:
                self._tell(span, self._base + here)
            if action != MASK:
                continue
            if span.start >= covered:
                if covered > start:
                    done = max(done, covered if places is None else places[covered])
                out.extend((seen[done:here], self._label(span, text, start)))
                done = here
            covered = max(covered, self._end(span, text))
        if covered > start:
            done = max(done, covered if places is None else places[covered])
        out.append(seen[done : hold if places is None else places[hold]])
        return "".join(out), covered

    def _not_allowed(self, spans: list[Span], places: Positions) -> list[Span]:
        """Without what an allowed text holds."""
        actions = self._actions
        allowed = [span for span in spans if actions[span.kind] == ALLOW]
        until = _index(places, self._allowed)
        if not allowed and not until:
            return spans
        for span in allowed:
            self._allowed = max(self._allowed, span.end if places is None else places[span.end])
        return [
            span
            for span in spans
            if actions[span.kind] != ALLOW
            and span.end > until
            and not any(each.start <= span.start and span.end <= each.end for each in allowed)
        ]

    def _spans(self, text: str, start: int, hold: int) -> list[Span]:
        """In order; of those that begin at one place the longest first."""
        found = [span for detector in self._detectors for span in detector.find(text, start) if span.start < hold]
        if len(found) > 1:
            found.sort(key=_order)
        return found

    def _hold(self, text: str, start: int) -> int:
        """From here on something may begin whose end is not here yet."""
        if not self._detectors:
            return len(text)
        run = _RUN.search(text, max(start, len(text) - WINDOW))
        hold = run.start() if run else len(text)
        for detector in self._detectors:
            held = detector.held(text, start)
            hold = min(hold, held)
        return hold

    def _end(self, span: Span, text: str) -> int:
        """Where a finding ends, or the text's end; what may still come of it is noted."""
        rest = span.rest
        return span.end if rest is None else self._reach(rest, text, at=span.end, left=rest.most)

    def _go_on(self, text: str, covered: int) -> int:
        """How far the findings of earlier pieces reach; each of them reached to the end of the text."""
        rests, self._rests = self._rests, []
        return max(self._reach(rest, text, at=covered, left=left) for rest, left in rests)

    def _reach(self, rest: Rest, text: str, *, at: int, left: int) -> int:
        end, may_go_on = rest.reach(text, at, left)
        if may_go_on:
            self._rests.append((rest, left - (end - at)))
        return end

    def _label(self, span: Span, text: str, start: int) -> str:
        """In JSON a number that stands outside of quotes is replaced by a string, so that it stays JSON."""
        if self._json and (self._quotes + text.count('"', start, span.start)) % 2 == 0:
            return f'"{span.label}"'
        return span.label

    def _keep(self, raw: str, at: int, covered: int) -> None:
        drop = max(0, at - _KEPT)
        self._raw = raw[drop:]
        self._base += drop
        self._at = at - drop
        self._covered = max(covered - drop, self._at)
        self._plain = max(0, self._plain - drop)
        self._allowed = max(0, self._allowed - drop)


def any_in(detectors: Sequence[Detector], text: str) -> bool:
    """Whether a whole text may hold anything, which is quicker to ask than to let it through."""
    if plain(text)[0] is not text:
        return True
    for detector in detectors:
        for _ in detector.find(text, 0):
            return True
    return False


def _index(places: Positions, at: int) -> int:
    """The first plain character at or behind a place of the text."""
    return at if places is None else bisect_left(places, at)


def _order(span: Span) -> tuple[int, int, str]:
    return span.start, -span.end, span.kind
