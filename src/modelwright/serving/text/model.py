"""A text model that answers OpenAI requests: to token ids and back, whole or streamed; it routes nothing."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from modelwright.core.errors.calls import CallError, ContextTooLong, Malformed
from modelwright.core.ports.engines import Sampling, TextCodec, TextSignature
from modelwright.core.wire.openai import error_body
from modelwright.core.wire.sse import DONE, event_bytes
from modelwright.serving.door import Receive, Send, cancel_when_gone, send_answer
from modelwright.serving.text.answer import AnswerForm, LogprobForm
from modelwright.serving.text.counts import TextCounts
from modelwright.serving.text.job import AnswerText, Job
from modelwright.serving.text.loop import TextLoop
from modelwright.serving.text.request import MOST_ANSWERS, Prompt, TextRequest, read_chat, read_completion
from modelwright.serving.text.stop import StopMatcher

READERS = {"/v1/chat/completions": read_chat, "/v1/completions": read_completion}
LONG_BODY = 16 << 10
"""Bytes of a request that is turned into tokens on a thread: it would keep all others waiting for 10 ms and more."""
_COMPOSED = 4
"""Bytes of text that a tokenizer may make one byte of, when it composes characters (Unicode NFC) first."""
_DONE = event_bytes(DONE)
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


def new_seed() -> int:
    """For a request that names none: without one the engine would give all of them the same."""
    return secrets.randbits(62)


class TextModel:
    """One loaded text model."""

    def __init__(
        self,
        *,
        model: str,
        loop: TextLoop,
        codec: TextCodec,
        signature: TextSignature,
        most: int = MOST_ANSWERS,
        seeds: Callable[[], int] = new_seed,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`most` sequences are taken of one request; `seeds` are for requests without one; `now` in seconds."""
        self._model = model
        self._loop = loop
        self._codec = codec
        self._signature = signature
        self._most = most
        self._seeds = seeds
        self._now = now
        longest = max(len(codec.text(token)) for token in range(signature.vocabulary))
        self._most_bytes = _COMPOSED * longest * signature.context
        """Of a prompt: what is longer fits in no case, and is not worth the time to tokenise it."""
        self._long_prompts = ThreadPoolExecutor(max_workers=1, thread_name_prefix="text-codec")
        self.counts = TextCounts()

    async def answer(self, path: str, body: bytes, *, receive: Receive, send: Send) -> None:
        """Answer one POST of a path in READERS; raises CallError until something was sent, then sends an event."""
        arrived = self._now()
        if len(body) < LONG_BODY:
            request, prompts = self._read(path, body)
        else:
            loop = asyncio.get_running_loop()
            request, prompts = await loop.run_in_executor(self._long_prompts, self._read, path, body)
        job = self._job(request, prompts, arrived)
        self.counts.tokens_in += job.prompt_tokens
        watcher = asyncio.ensure_future(cancel_when_gone(receive, asyncio.current_task()))
        try:
            await (self._stream(job, send) if request.stream else self._whole(job, send))
        except asyncio.CancelledError:
            self.counts.abandoned += 1
            return  # the client left: there is nobody to tell
        finally:
            watcher.cancel()
            for answer in job.answers.each:
                self._loop.cancel(answer)
            self.counts.tokens_out += job.completion_tokens

    def close(self) -> None:
        """Read no more long requests."""
        self._long_prompts.shutdown(wait=False, cancel_futures=True)

    def _job(self, request: TextRequest, prompts: list[list[int]], arrived: float) -> Job:
        """Hand the request to the engine; raises Overloaded."""
        samplings = [self._fitted(request, len(prompt)) for prompt in prompts]
        sequences = [
            (prompt, _seeded(sampling, number))
            for prompt, sampling in zip(prompts, samplings, strict=True)
            for number in range(request.n)
        ]
        texts = [
            AnswerText(
                self._codec.decoder(),
                StopMatcher(request.stop),
                logprobs=LogprobForm(self._codec, chat=request.chat, alternatives=request.sampling.logprobs),
                opening=self._opening(request, place // request.n),
            )
            for place in range(len(sequences))
        ]
        return Job(
            request=request,
            form=AnswerForm(
                id=f"{'chatcmpl' if request.chat else 'cmpl'}-{time.time_ns():x}",
                created=int(time.time()),
                model=self._model,
                chat=request.chat,
            ),
            answers=self._loop.submit(sequences),
            texts=texts,
            prompt_tokens=sum(map(len, prompts)),
            arrived=arrived,
        )

    def _opening(self, request: TextRequest, place: int) -> str:
        """What an answer begins with: its prompt, when that was asked for."""
        if not request.echo:
            return ""
        prompt = request.prompts[place]
        if isinstance(prompt, str):
            return prompt
        decoder = self._codec.decoder()
        return decoder.push(prompt) + decoder.finish()

    def _read(self, path: str, body: bytes) -> tuple[TextRequest, list[list[int]]]:
        """The request and its prompts; raises Malformed, Unprocessable, ContextTooLong."""
        request = READERS[path](body)
        if not request.chat and len(request.prompts) * request.n > self._most:
            raise self._too_many(len(request.prompts) * request.n, "prompt" if len(request.prompts) > 1 else "n")
        if request.n > self._most:
            raise self._too_many(request.n, "n")
        if any(token >= self._signature.vocabulary for token in request.sampling.stop_tokens):
            raise self._outside("stop_token_ids")
        texts = [message["content"] for message in request.messages] if request.chat else request.prompts
        size = sum(len(text.encode()) for text in texts if isinstance(text, str))
        if size > self._most_bytes * max(1, len(request.prompts)):
            raise self._too_long(f"the prompt has {size} bytes", request)
        sampling = request.sampling
        if sampling.seed is None and sampling.temperature:
            request = msgspec.structs.replace(request, sampling=msgspec.structs.replace(sampling, seed=self._seeds()))
        if request.chat:
            return request, [self._codec.prompt(request.messages)]
        return request, [self._tokens(prompt) for prompt in request.prompts]

    def _tokens(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            return self._codec.encode(prompt)
        if not all(0 <= token < self._signature.vocabulary for token in prompt):
            raise self._outside("prompt")
        return list(prompt)

    def _fitted(self, request: TextRequest, prompt: int) -> Sampling:
        """The sampling with its token bound; raises ContextTooLong when prompt and answer cannot fit."""
        room = self._signature.context - prompt
        wanted = request.max_tokens
        if prompt == 0:
            raise Malformed(
                "the prompt is empty", hint="send some text", param="messages" if request.chat else "prompt"
            )
        if room < 1 or (wanted is not None and wanted > room):
            asked = f" and {wanted} more were asked for" if wanted is not None else ""
            raise self._too_long(f"the prompt takes {prompt}{asked}", request)
        return msgspec.structs.replace(request.sampling, max_tokens=room if wanted is None else wanted)

    def _too_long(self, fact: str, request: TextRequest) -> ContextTooLong:
        return ContextTooLong(
            f"this model's context is {self._signature.context} tokens; {fact}",
            hint="shorten the messages or lower max_tokens",
            param="messages" if request.chat else "prompt",
        )

    def _too_many(self, count: int, param: str) -> Malformed:
        return Malformed(
            f"{count} answers are asked for, at most {self._most} are made of one request",
            hint="send several requests",
            param=param,
        )

    def _outside(self, param: str) -> Malformed:
        return Malformed(
            f"`{param}` holds a token id outside 0..{self._signature.vocabulary - 1}",
            hint="send ids of this model's vocabulary",
            param=param,
        )

    async def _arrived(self, job: Job) -> list[tuple[int, str]]:
        """What may be sent now, by choice; one that has ended at a stop string is not computed further."""
        pieces: dict[int, str] = {}
        for index, delta in await job.answers.next():
            text = job.texts[index]
            if text.finish:
                continue
            pieces[index] = pieces.get(index, "") + text.push(delta)
            if text.finish and not delta.finish:
                self._loop.cancel(job.answers.each[index])
        now = self._now()
        if not job.began and any(text.count for text in job.texts):
            job.began = now
            self.counts.began(now - job.arrived)
        if job.finished:
            self.counts.ended(now - (job.began or now), tokens=max(text.count for text in job.texts))
        return list(pieces.items())

    async def _whole(self, job: Job, send: Send) -> None:
        while not job.finished:
            await self._arrived(job)
        choices = [
            job.form.choice(index, "".join(text.pieces), finish=text.finish, logprobs=text.told())
            for index, text in enumerate(job.texts)
        ]
        await send_answer(send, 200, job.form.whole(choices, usage=job.usage()))

    async def _stream(self, job: Job, send: Send) -> None:
        started = False
        try:
            while not job.finished:
                chunks = b"".join(job.chunk(index, piece) for index, piece in await self._arrived(job))
                if job.finished:
                    chunks += (job.form.usage_chunk(job.usage()) if job.request.include_usage else b"") + _DONE
                if not chunks:
                    continue
                if not started:
                    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
                started = True
                await send({"type": "http.response.body", "body": chunks, "more_body": not job.finished})
        except CallError as error:
            if not started:
                raise
            self.counts.broken_streams += 1
            await send({"type": "http.response.body", "body": event_bytes(error_body(error))})


def _seeded(sampling: Sampling, number: int) -> Sampling:
    """The sampling of a request's answer `number`: each has a seed of its own, the first one the request's."""
    if not number or sampling.seed is None:
        return sampling
    return msgspec.structs.replace(sampling, seed=(sampling.seed + number) % 2**63)
