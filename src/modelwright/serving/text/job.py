"""One text request on its way through the engine: what its answers hold so far, and what may be sent of them."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.ports.engines import Decoder, Delta, TokenLogprob
from modelwright.serving.text.answer import AnswerForm, LogprobForm, usage_of
from modelwright.serving.text.loop import Answers
from modelwright.serving.text.request import TextRequest
from modelwright.serving.text.stop import StopMatcher


class AnswerText:
    """The text of one answer as it grows: detokenised, cut at stop strings, counted."""

    def __init__(self, decoder: Decoder, stops: StopMatcher, *, logprobs: LogprobForm, opening: str) -> None:
        self._decoder = decoder
        self._stops = stops
        self._form = logprobs
        self._opening = opening
        self._logprobs: list[TokenLogprob] = []
        self.pieces: list[str] = []
        self.count = 0
        self.finish = ""
        self.started = False
        """Something of it was sent."""

    def push(self, delta: Delta) -> str:
        """The text that may be sent now; sets `finish` with the last piece."""
        self.count += len(delta.tokens)
        self._logprobs.extend(delta.logprobs)
        piece, self._opening = self._opening, ""
        piece += self._stops.push(self._decoder.push(delta.tokens))
        if delta.finish and not self._stops.stopped:
            piece += self._stops.push(self._decoder.finish())
            piece += self._stops.finish()
        if self._stops.stopped or delta.finish:
            self.finish = "stop" if self._stops.stopped else str(delta.finish)
        self.pieces.append(piece)
        return piece

    def told(self) -> dict[str, Any] | None:
        """The log-probabilities that were not told yet, in the wire's form."""
        tokens, self._logprobs = self._logprobs, []
        return self._form.of(tokens)

    @property
    def tells(self) -> bool:
        """Whether there are log-probabilities to tell."""
        return bool(self._logprobs)


class Job(msgspec.Struct):
    """One request under way."""

    request: TextRequest
    form: AnswerForm
    answers: Answers
    texts: list[AnswerText]
    prompt_tokens: int
    arrived: float
    began: float = 0.0
    """When the first token came; 0: not yet."""

    @property
    def finished(self) -> bool:
        """Whether every answer has ended."""
        return all(text.finish for text in self.texts)

    @property
    def completion_tokens(self) -> int:
        """Of all answers, so far."""
        return sum(text.count for text in self.texts)

    def usage(self) -> dict[str, Any]:
        """The wire's usage object."""
        return usage_of(self.prompt_tokens, self.completion_tokens, seconds=self.answers.seconds)

    def chunk(self, index: int, piece: str) -> bytes:
        """The events of what came for one choice; empty when there is nothing to tell yet."""
        text = self.texts[index]
        events = b""
        if piece or (text.tells and not text.finish) or (text.finish and (text.tells or not text.started)):
            events = self.form.chunk(index, piece, first=not text.started, logprobs=text.told())
            text.started = True
        if text.finish:
            events += self.form.chunk(index, "", finish=text.finish)
        return events
