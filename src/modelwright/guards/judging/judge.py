"""The judge of one side of an endpoint: asks, decides by the rule, and says what was decided."""

from __future__ import annotations

import logging

from modelwright.core.contracts.guard import JudgeRule
from modelwright.core.errors.calls import CallError, GuardBlocked, GuardFailed
from modelwright.core.ports.guards import Ask
from modelwright.guards.judging.opinion import (
    Judged,
    chat_opinion,
    chat_question,
    moderation_opinion,
    moderation_question,
)
from modelwright.guards.verdicts import Verdicts

LONGEST = 32_768
"""Characters that are judged at once; a longer text is not judged, and `on_error` says what becomes of it."""
BLOCK, PASS = "block", "pass"
log = logging.getLogger("modelwright.gateway")


class Judge:
    """Made once per endpoint and side."""

    def __init__(self, side: str, rule: JudgeRule) -> None:
        self._side = side
        self.rule = rule
        self.blocks = rule.action == BLOCK
        self._name = f"{side}.judge"

    async def weigh(self, text: str, verdicts: Verdicts, ask: Ask) -> None:
        """Raises GuardBlocked for a text that it finds fault with, GuardFailed for one that it could not judge."""
        if not text.strip():
            return
        try:
            judged, took = await self._ask(text, ask)
        except CallError as error:
            self._not_judged(verdicts, error.code)
            return
        except Exception as error:  # noqa: BLE001 - whatever an answer holds, it is told of and decided on
            self._not_judged(verdicts, type(error).__name__)
            return
        least = self.rule.threshold
        is_bad = judged.flagged if least is None else judged.score >= least
        told = f" {judged.category} {judged.score:.2f} {took:.0f}ms"
        verdicts.note(self._name, self.rule.action if is_bad else PASS, told, weaker=PASS)
        if is_bad and self.blocks:
            what, hint = (
                ("request", "say it in another way") if self._side == "input" else ("answer", "ask for something else")
            )
            raise GuardBlocked(f"this endpoint's judge does not let the {what} through: {judged.category}", hint=hint)

    async def _ask(self, text: str, ask: Ask) -> tuple[Judged, float]:
        if len(text) > LONGEST:
            raise GuardFailed(f"{len(text)} characters are more than a judge is asked about")
        by_chat = bool(self.rule.endpoint)
        question = chat_question if by_chat else moderation_question
        body, took = await ask(self._side, question(text, model=self.rule.endpoint))
        return (chat_opinion if by_chat else moderation_opinion)(body), took

    def _not_judged(self, verdicts: Verdicts, why: str) -> None:
        """An exception's text may hold content."""
        verdicts.note(f"{self._name}_failed", self.rule.on_error)
        log.warning("a text was not judged: %s", why)
        if self.rule.on_error == BLOCK:
            raise GuardFailed(
                "this endpoint's judge gave no verdict, and what it did not judge does not pass",
                hint="try again, with less text if it is long; the operator finds the reason in the log",
            ) from None


class Held:
    """A stream's events, which wait until what they say is judged; one call's."""

    def __init__(self, judge: Judge, verdicts: Verdicts, ask: Ask) -> None:
        self._judge = judge
        self._verdicts = verdicts
        self._ask = ask
        self._events: list[bytes] = []
        self._size = 0
        self._seen = ""
        """The end of what was judged already, for what is said over its edge."""
        self._text = ""

    async def through(self, events: bytes, said: str, *, last: bool) -> bytes:
        """What may leave now, after these events, which say this. Nothing waits where nothing can be stopped."""
        self._text += said
        if not self._judge.blocks:
            if last or len(self._text) >= LONGEST:
                text, self._text = self._text, ""
                await self._weigh(text)
            return events
        self._events.append(events)
        self._size += len(events)
        piece = self._judge.rule.piece
        if self._text and len(self._text) < piece and self._size < MOST_HELD and not last:
            return b""
        text, self._text = self._seen + self._text, ""
        out, self._events, self._size = b"".join(self._events), [], 0
        if len(text) > len(self._seen):
            await self._weigh(text)
        self._seen = text[-piece:]
        return out

    async def _weigh(self, text: str) -> None:
        """However much has come at once."""
        for start in range(0, len(text), LONGEST - self._judge.rule.piece):
            await self._judge.weigh(text[start : start + LONGEST], self._verdicts, self._ask)


MOST_HELD = 1 << 18
"""Bytes of events that wait for a judge; more are judged at once."""
