"""A text model that answers OpenAI requests: to token ids and back, whole or streamed; it routes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from modelwright.core.errors.calls import CallError, ContextTooLong, Malformed
from modelwright.core.ports.engines import Decoder, Delta, Sampling, TextCodec, TextSignature, TokenLogprob
from modelwright.core.wire.openai import error_body
from modelwright.core.wire.sse import DONE, event_bytes
from modelwright.serving.door import Receive, Send, send_answer
from modelwright.serving.text.answer import AnswerForm, LogprobForm, usage_of
from modelwright.serving.text.loop import Answer, TextLoop
from modelwright.serving.text.request import TextRequest, read_chat, read_completion
from modelwright.serving.text.stop import StopMatcher

READERS = {"/v1/chat/completions": read_chat, "/v1/completions": read_completion}
LONG_BODY = 16 << 10
"""Bytes of a request that is turned into tokens on a thread: it would keep all others waiting for 10 ms and more."""
_COMPOSED = 4
"""Bytes of text that a tokenizer may make one byte of, when it composes characters (Unicode NFC) first."""
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class TextModel:
    """One loaded text model."""

    def __init__(self, *, model: str, loop: TextLoop, codec: TextCodec, signature: TextSignature) -> None:
        self._model = model
        self._loop = loop
        self._codec = codec
        self._signature = signature
        longest = max(len(codec.text(token)) for token in range(signature.vocabulary))
        self._most_bytes = _COMPOSED * longest * signature.context
        """Of a prompt: what is longer fits in no case, and is not worth the time to tokenise it."""
        self._long_prompts = ThreadPoolExecutor(max_workers=1, thread_name_prefix="text-codec")
        self.broken_streams = 0
        self.tokens_in = 0
        self.tokens_out = 0

    async def answer(self, path: str, body: bytes, *, receive: Receive, send: Send) -> None:
        """Answer one POST of a path in READERS; raises CallError until something was sent, then sends an event."""
        if len(body) < LONG_BODY:
            request, prompt = self._read(path, body)
        else:
            loop = asyncio.get_running_loop()
            request, prompt = await loop.run_in_executor(self._long_prompts, self._read, path, body)
        job = _Job(
            request=request,
            form=AnswerForm(
                id=f"{'chatcmpl' if request.chat else 'cmpl'}-{time.time_ns():x}",
                created=int(time.time()),
                model=self._model,
                chat=request.chat,
            ),
            answer=self._loop.submit(prompt, self._fitted(request, len(prompt))),
            text=_Text(self._codec.decoder(), StopMatcher(request.stop)),
            logprobs=LogprobForm(self._codec, chat=request.chat, alternatives=request.sampling.logprobs),
            prompt_tokens=len(prompt),
        )
        self.tokens_in += len(prompt)
        watcher = asyncio.ensure_future(_cancel_when_gone(receive, asyncio.current_task()))
        try:
            await (self._stream(job, send) if request.stream else self._whole(job, send))
        except asyncio.CancelledError:
            return  # the client left: there is nobody to tell
        finally:
            watcher.cancel()
            self._loop.cancel(job.answer)
            self.tokens_out += job.text.count

    def close(self) -> None:
        """Read no more long requests."""
        self._long_prompts.shutdown(wait=False, cancel_futures=True)

    def _read(self, path: str, body: bytes) -> tuple[TextRequest, list[int]]:
        """The request and its prompt; raises Malformed, Unprocessable, ContextTooLong."""
        request = READERS[path](body)
        texts = [message["content"] for message in request.messages] if request.chat else [request.text or ""]
        size = sum(len(text.encode()) for text in texts)
        if size > self._most_bytes:
            raise self._too_long(f"the prompt has {size} bytes", request)
        return request, self._tokens(request)

    def _tokens(self, request: TextRequest) -> list[int]:
        if request.chat:
            return self._codec.prompt(request.messages)
        if request.text is not None:
            return self._codec.encode(request.text)
        tokens = list(request.tokens or ())
        if not all(0 <= token < self._signature.vocabulary for token in tokens):
            raise Malformed(
                f"`prompt` holds a token id outside 0..{self._signature.vocabulary - 1}",
                hint="send ids of this model's vocabulary",
                param="prompt",
            )
        return tokens

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

    async def _whole(self, job: _Job, send: Send) -> None:
        while not job.text.finish:
            job.text.push(await job.answer.next())
        usage = usage_of(job.prompt_tokens, job.text.count, seconds=job.answer.seconds)
        logprobs = job.logprobs.of(job.text.logprobs)
        body = job.form.whole("".join(job.text.pieces), finish=job.text.finish, usage=usage, logprobs=logprobs)
        await send_answer(send, 200, body)

    async def _stream(self, job: _Job, send: Send) -> None:
        text, started, told = job.text, False, 0
        try:
            while not text.finish:
                piece = text.push(await job.answer.next())
                if not piece and not text.finish:
                    continue
                tokens, told = text.logprobs[told:], len(text.logprobs)
                if not started:
                    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
                if piece or tokens or not started:
                    chunk = job.form.chunk(piece, first=not started, logprobs=job.logprobs.of(tokens))
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                started = True
        except CallError as error:
            if not started:
                raise
            self.broken_streams += 1
            await send({"type": "http.response.body", "body": event_bytes(error_body(error))})
            return
        end = job.form.chunk("", finish=text.finish)
        if job.request.include_usage:
            end += job.form.usage_chunk(usage_of(job.prompt_tokens, text.count, seconds=job.answer.seconds))
        await send({"type": "http.response.body", "body": end + event_bytes(DONE)})


class _Text:
    """The text of one answer as it grows: detokenised, cut at stop strings, counted."""

    def __init__(self, decoder: Decoder, stops: StopMatcher) -> None:
        self._decoder = decoder
        self._stops = stops
        self.pieces: list[str] = []
        self.logprobs: list[TokenLogprob] = []
        self.count = 0
        self.finish = ""

    def push(self, deltas: Sequence[Delta]) -> str:
        """The text that may be sent now; sets `finish` with the last piece."""
        piece = ""
        for delta in deltas:
            self.count += len(delta.tokens)
            self.logprobs.extend(delta.logprobs)
            piece += self._stops.push(self._decoder.push(delta.tokens))
            if delta.finish and not self._stops.stopped:
                piece += self._stops.push(self._decoder.finish())
                piece += self._stops.finish()
            if self._stops.stopped or delta.finish:
                self.finish = "stop" if self._stops.stopped else str(delta.finish)
                break
        self.pieces.append(piece)
        return piece


class _Job(msgspec.Struct):
    request: TextRequest
    form: AnswerForm
    answer: Answer
    text: _Text
    logprobs: LogprobForm
    prompt_tokens: int


async def _cancel_when_gone(receive: Receive, task: asyncio.Task[Any] | None) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if task is not None:
        task.cancel()
