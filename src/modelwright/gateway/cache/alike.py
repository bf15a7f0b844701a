"""A question whose words differ from one that was answered, but not its meaning: it gets that one's answer.

Only the words of the last message may differ; tenant, variant, every other message and every parameter have to be the
same. Some of the hits are asked all the same, and both answers compared: that measures how often a hit is wrong.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable

from modelwright.core.contracts.events import Event, KeptChecked
from modelwright.core.contracts.ledger import COMPARED, VECTOR, LedgerRow
from modelwright.core.contracts.snapshot import Semantic
from modelwright.core.ports.cache import Kept
from modelwright.core.wire.openai_words import LastQuestion, words_of
from modelwright.gateway.cache.embedder import Embedder
from modelwright.gateway.cache.nearest import Nearest, cosine
from modelwright.gateway.cache.text import Text
from modelwright.gateway.cache.trial import Trial
from modelwright.gateway.call import Call, Handler, Reply

COMPARING = 8
"""Comparisons that run at once; past it a doubted hit is not compared."""


class Meanings:
    """What a worker knows of questions by their meaning; outlives snapshots."""

    def __init__(self, *, now: Callable[[], float], chance: Callable[[], float], emit: Callable[[Event], None]) -> None:
        """`now` gives Unix seconds, `chance` draws evenly from [0, 1), `emit` takes what there is to tell."""
        self.nearest = Nearest(limit=0)
        self.chance = chance
        self._now = now
        self._emit = emit
        self._trials: dict[str, Trial] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def trial(self, endpoint: str, rule: Semantic) -> Trial:
        """The one under way; another threshold or bound in the manifest begins a new one."""
        trial = self._trials.get(endpoint)
        if trial is None or (trial.stated, trial.allowed) != (rule.threshold, rule.wrong):
            trial = self._trials[endpoint] = Trial(threshold=rule.threshold, allowed=rule.wrong)
        return trial

    def compare(self, row: LedgerRow, kept: Kept, fresh: Kept, *, rule: Semantic, embed: Embedder) -> None:
        """Beside the calls: whether a kept answer says what a fresh one says."""
        if len(self._tasks) < COMPARING:
            task = asyncio.get_running_loop().create_task(self._compare(row, kept, fresh, rule=rule, embed=embed))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _compare(self, row: LedgerRow, kept: Kept, fresh: Kept, *, rule: Semantic, embed: Embedder) -> None:
        said = [words_of(one.body, stream=row.stream) for one in (kept, fresh)]
        one, other = said
        if one is None or other is None:
            agreed = kept.body == fresh.body
        elif one == other:
            agreed = True
        else:
            found = await embed(row, (one, other), endpoint=rule.endpoint, mark=COMPARED)
            if found is None:
                return
            agreed = cosine(*found.vectors) >= rule.agree
        trial = self.trial(row.endpoint, rule)
        raised = trial.judge(agreed=agreed)
        self._emit(
            KeptChecked(
                at=self._now(), endpoint=row.endpoint, agreed=agreed, raised=raised, threshold=min(trial.threshold, 1.0)
            )
        )


class Alike:
    """One call; the same to the policy as a question that is only looked up."""

    __slots__ = ("_by", "_doubted", "_embed", "_meanings", "_question", "_rule", "_text", "_vector")

    def __init__(
        self, text: Text, question: LastQuestion, *, rule: Semantic, meanings: Meanings, embed: Embedder
    ) -> None:
        self._text = text
        self._question = question
        self._rule = rule
        self._meanings = meanings
        self._embed = embed
        self._vector: array[float] | None = None
        self._by = ""
        self._doubted: Kept | None = None

    def key(self, variant: str) -> bytes:
        return self._text.key(variant)

    async def look(self, call: Call, *, oldest: float) -> Reply | None:
        """The same question first; then the nearest."""
        row, text, meanings = call.row, self._text, self._meanings
        reply = await text.look(call, oldest=oldest)
        if reply is not None:
            return reply
        found = await self._embed(row, (self._question.words,), endpoint=self._rule.endpoint, mark=VECTOR)
        if found is None:
            return None
        self._vector, self._by = found.vectors[0], found.by
        partition, least = self._partition(row.variant), meanings.trial(row.endpoint, self._rule).threshold
        near = meanings.nearest.find(partition, self._vector, least=least)
        if near is None:
            return None
        kept = await text.kept(near[1])
        if kept is None:
            meanings.nearest.forget(partition, near[1])
            return None
        if text.age(kept) > oldest:
            return None
        if meanings.chance() < self._rule.check:
            row.cache = "checked"
            self._doubted = kept
            return None
        reply = text.give(call, kept, mark="semantic")
        reply.headers.append((b"x-modelwright-similarity", b"%.4f" % min(near[0], 1.0)))
        return reply

    async def ask(self, call: Call, proceed: Handler) -> Reply:
        reply = await self._text.ask(call, proceed)
        call.at_end = (*call.at_end, self._note)
        return reply

    def _note(self, row: LedgerRow) -> None:
        """The outcome: what was kept can be found by its meaning."""
        fresh = self._text.given
        if fresh is None or self._vector is None:
            return
        self._meanings.nearest.add(self._partition(row.variant), self._vector, self.key(row.variant))
        if self._doubted is not None:
            self._meanings.compare(row, self._doubted, fresh, rule=self._rule, embed=self._embed)

    def _partition(self, variant: str) -> bytes:
        """Of questions that differ only in the words of their last message."""
        return self._text.partition(variant, self._rule.endpoint.encode(), self._by.encode(), *self._question.before)
