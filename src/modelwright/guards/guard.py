"""The guard of an endpoint: puts the detectors of its manifest entry to work on requests, answers and streams."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import msgspec

from modelwright.core.contracts.guard import EndpointGuard
from modelwright.core.errors.calls import Malformed, TooLarge, Unprocessable
from modelwright.core.ports.guards import Ask
from modelwright.core.prompting.variables import FIELD as VARIABLES
from modelwright.core.wire import openai
from modelwright.guards.injection.score import Score, scores
from modelwright.guards.judging.judge import Held
from modelwright.guards.leak import Listener, Told
from modelwright.guards.side import OFF, Side, check_injection, check_leak, check_size, window
from modelwright.guards.stream import AnswerStream
from modelwright.guards.texts import (
    ANSWER,
    QUESTION,
    UNREADABLE,
    Text,
    TooManyError,
    TwoReadingsError,
    shown,
    texts_of,
    with_texts,
    words_of,
)
from modelwright.guards.verdicts import Verdicts
from modelwright.guards.window import any_in

SLICE = 8192
"""Characters that are looked at before others get their turn on the event loop."""
EACH = 128
"""Characters that each text counts for beside its own, since even an empty one takes time."""
LARGE = 256 << 10
"""Bytes of a body whose texts are not looked for on the event loop."""
MOST = 200_000
"""Strings in a request, keys counted."""
_WITHOUT_TEXT = frozenset({"embeddings"})
"""Operations whose answers hold no text."""
_NOTHING = Told(())
_TRUSTED = frozenset({"system", "developer", "assistant"})
"""Roles whose words are the application's own, or the model's."""
_WHOLE_ONLY = frozenset({"messages", "responses"})
"""Operations whose streams have another form than the one that is looked at."""


async def nobody(side: str, body: bytes) -> tuple[bytes, float]:
    """Where no judge can be asked."""
    raise RuntimeError(f"nobody judges the {side} of {len(body)} bytes")


class RuleGuard:
    """Made once per endpoint and snapshot."""

    def __init__(self, rules: EndpointGuard) -> None:
        self.fails_open = rules.on_error == "allow"
        self._input = Side("input", rules.input)
        self._output = Side("output", rules.output)

    def watch(self, operation: str, ask: Ask = nobody) -> CallWatch:
        """See Guard."""
        return CallWatch(operation, self._input, self._output, ask=ask)


class CallWatch:
    """Looks at one call."""

    __slots__ = (
        "_ask", "_given", "_held", "_input", "_operation", "_output", "_stream", "_system", "_told", "_verdicts",
        "looks_back", "verdicts", "weighs",
    )  # fmt: skip

    def __init__(self, operation: str, asked: Side, answered: Side, *, ask: Ask) -> None:
        self._ask = ask
        self._operation = operation
        self._input = asked
        self._output = answered
        self._verdicts = Verdicts()
        self.verdicts = self._verdicts.told
        self.looks_back = answered.looks and operation not in _WITHOUT_TEXT
        self.weighs = answered.judge is not None
        self._held: Held | None = None
        self._stream: AnswerStream | None = None
        self._system: Sequence[str] = ()
        self._given: Sequence[str] = ()
        self._told = _NOTHING

    async def question(self, body: bytes) -> bytes:
        """See Watch. What cannot be read is the client's fault, and no failure of the guard: those may let it pass."""
        side = self._input
        try:
            if self._operation in _WHOLE_ONLY and self._output.intervenes and _asks_for_stream(body):
                raise Unprocessable(
                    "this endpoint's answers are guarded, which streams of this wire cannot be",
                    hint="leave `stream` out, or stream from /v1/chat/completions",
                    param="stream",
                )
            if not side.looks and self._output.leak == OFF:
                return body
            texts = await _texts(body, QUESTION[self._operation], most=MOST)
        except TooManyError:
            hint = "send fewer messages, parts or inputs"
            raise TooLarge(f"the body holds more than {MOST} texts and keys", hint=hint) from None
        except TwoReadingsError:
            raise Malformed("a key stands twice in one object of the body", hint="send each key once") from None
        except UNREADABLE as error:
            raise openai.unreadable(error) from None
        if self._output.leak != OFF:
            self._system = [text.text for text in texts if _is_system(text)]
            self._given = [text.text for text in texts if shown(text.path).startswith(VARIABLES)]
        return await self._through(side, body, texts) if side.looks else body

    def told(self, system: Callable[[], str]) -> None:
        """See Watch."""
        if self._output.leak != OFF:
            self._told = Told((*self._system, system()), known=self._given)

    async def answer(self, body: bytes) -> bytes:
        """See Watch."""
        side = self._output
        if side.intervenes and b'"logprobs"' in body:
            body = _without_logprobs(body)
        texts = await _texts(body, ANSWER)
        for text in texts if self._told.runs else ():
            if Listener(self._told).hear(text.text, end=True):
                check_leak(side, self._verdicts, place=shown(text.path))
        return await self._through(side, body, texts)

    def events(self, events: bytes) -> bytes:
        """See Watch."""
        return self._streamed().events(events)

    async def weighed(self, events: bytes, *, last: bool) -> bytes:
        """See Watch."""
        judge = self._output.judge
        if judge is None:
            return events
        if self._held is None:
            self._held = Held(judge, self._verdicts, self._ask)
        return await self._held.through(events, words_of(events), last=last)

    def unjudged(self, events: bytes) -> bytes:
        """See Watch."""
        return self._streamed().unjudged(events)

    def stopped(self) -> bytes:
        """See Watch."""
        return self._streamed().stopped()

    def _streamed(self) -> AnswerStream:
        if self._stream is None:
            self._stream = AnswerStream(self._output, self._verdicts, self._told)
        return self._stream

    async def _through(self, side: Side, body: bytes, texts: Sequence[Text]) -> bytes:
        if side.max_chars:
            check_size(side, self._verdicts, sum(len(text.text) for text in texts))
        changed: dict[int, str] = {}
        said: list[str] = []
        looked = 0
        for text in texts:
            looked += EACH + len(text.text)
            if looked > SLICE:
                looked = 0
                await asyncio.sleep(0)
            if side.injection != OFF and text.role not in _TRUSTED:
                check_injection(side, self._verdicts, text=text, scored=await _scored(text.text))
            through = await self._one(side, text)
            if side.judge is not None and (side is self._output or text.role not in _TRUSTED):
                said.append(through)
            if through != text.text:
                changed[text.number] = through
        if side.judge is not None:
            await side.judge.weigh("\n\n".join(said), self._verdicts, self._ask)
        return with_texts(body, changed) if changed else body

    async def _one(self, side: Side, text: Text) -> str:
        if not side.detectors:
            return text.text
        content = text.text
        if len(content) <= SLICE and not text.is_json and not any_in(side.detectors, content):
            return content
        through = window(side, self._verdicts, lambda: shown(text.path), json=text.is_json)
        if len(content) <= SLICE:
            return through.whole(content)
        pieces: list[str] = []
        for start in range(0, len(content), SLICE):
            pieces.append(through.push(content[start : start + SLICE]))
            await asyncio.sleep(0)
        return "".join([*pieces, through.finish()])


async def _texts(body: bytes, roots: frozenset[str], *, most: float = math.inf) -> list[Text]:
    """As `texts_of`; for large bodies in a thread, so that others have their turn."""
    if len(body) < LARGE:
        return texts_of(body, roots, most=most)
    return await asyncio.to_thread(texts_of, body, roots, most=most)


async def _scored(text: str) -> Score:
    worst: Score = (0, ())
    for number, one in enumerate(scores(text)):
        worst = max(worst, one)
        if number:
            await asyncio.sleep(0)
    return worst


def _is_system(text: Text) -> bool:
    return text.role in {"system", "developer"} or shown(text.path).startswith(("system", "instructions"))


def _asks_for_stream(body: bytes) -> bool:
    return b'"stream"' in body and openai.raw_field(body, "stream") == b"true"


def _without_logprobs(body: bytes) -> bytes:
    """They spell the text out, token by token."""
    content = msgspec.json.decode(body)
    for choice in content.get("choices") or ():
        if choice.get("logprobs") is not None:
            choice["logprobs"] = None
    return msgspec.json.encode(content)
