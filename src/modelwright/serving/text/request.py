"""Reads a chat or completion request into what a text engine needs; refuses by name what this engine cannot do."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.ports.engines import Sampling
from modelwright.core.wire.unreadable import UNREADABLE
from modelwright.serving.text.constraint import Guided, constraint_of

MOST_ANSWERS = 128
"""Of one request, as on the OpenAI wire."""
_Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
_Count = Annotated[int, msgspec.Meta(ge=1)]
_Token = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_MAX_STOPS = 4


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(Guided, kw_only=True):
    """Fields that chat and completions share; None stands for JSON's null, which clients send for "default"."""

    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Count | None = None
    min_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: _Probability | None = None
    top_k: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    repetition_penalty: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | list[str] | None = None
    stop_token_ids: Annotated[list[_Token], msgspec.Meta(max_length=64)] | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=MOST_ANSWERS)] | None = None
    best_of: int | None = None
    logit_bias: dict[str, float] | None = None
    use_beam_search: bool | None = None
    prompt_logprobs: int | None = None
    ignore_eos: bool | None = None


class _ChatBody(_Body, kw_only=True):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    max_completion_tokens: _Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    tools: list[msgspec.Raw] | None = None
    functions: list[msgspec.Raw] | None = None


class _CompletionBody(_Body, kw_only=True):
    prompt: str | list[int | str | list[int]]
    echo: bool | None = None
    suffix: str | None = None
    logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None


Prompt = str | tuple[int, ...]
"""Text, or token ids."""


class TextRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request in the engine's terms; either `messages` or `prompts` is set."""

    model: str
    chat: bool
    messages: tuple[dict[str, str], ...] = ()
    prompts: tuple[Prompt, ...] = ()
    """Each is answered `n` times."""
    n: int = 1
    echo: bool = False
    """The answer begins with its prompt."""
    max_tokens: int | None = None
    """None: as many as fit."""
    sampling: Sampling
    """Its `max_tokens` is set once the prompt's length is known."""
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False


_chat = msgspec.json.Decoder(_ChatBody)
_completion = msgspec.json.Decoder(_CompletionBody)


def read_chat(body: bytes) -> TextRequest:
    """A `POST /v1/chat/completions` body; raises Malformed or Unprocessable that names the field."""
    content: _ChatBody = _decode(_chat, body)
    if content.tools or content.functions:
        raise _cannot("tools" if content.tools else "functions", "this model does not call tools", "leave them out")
    if content.top_logprobs is not None and content.top_logprobs > 1:
        raise _cannot("top_logprobs", "only the chosen token's log-probability is known", "send 0 or 1")
    return TextRequest(
        model=content.model,
        chat=True,
        messages=tuple(_message(message, index) for index, message in enumerate(content.messages)),
        max_tokens=content.max_completion_tokens or content.max_tokens,
        sampling=_sampling(content, logprobs=(content.top_logprobs or 0) if content.logprobs else None),
        **_shared(content),
    )


def read_completion(body: bytes) -> TextRequest:
    """A `POST /v1/completions` body; raises Malformed or Unprocessable that names the field."""
    content: _CompletionBody = _decode(_completion, body)
    if content.suffix:
        raise _cannot("suffix", "this model does not fill in the middle of a text", "leave `suffix` out")
    if content.logprobs is not None and content.logprobs > 1:
        raise _cannot("logprobs", "only the chosen token's log-probability is known", "send 0 or 1")
    if content.echo and content.logprobs is not None:
        raise _cannot("echo", "the prompt's own log-probabilities are not known", "leave `echo` or `logprobs` out")
    return TextRequest(
        model=content.model,
        chat=False,
        prompts=_prompts(content.prompt),
        echo=bool(content.echo),
        max_tokens=content.max_tokens or 16,  # the OpenAI wire's default
        sampling=_sampling(content, logprobs=content.logprobs),
        **_shared(content),
    )


def _decode(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        field = text.rpartition("`$.")[2].rstrip("`") if "`$." in text else None
        raise Malformed(
            text.replace(" - at `$", " at `body"), hint="see the OpenAI API reference", param=field
        ) from None
    except UNREADABLE as error:
        raise Malformed(f"the body is not valid JSON: {error}", hint="send a JSON object in UTF-8") from None


def _message(message: _Message, index: int) -> dict[str, str]:
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    texts: list[str] = []
    for part in message.content or ():
        if part.type != "text" or part.text is None:
            raise _cannot(
                f"messages[{index}].content", f"content of type `{part.type}` cannot be read by this model", "send text"
            )
        texts.append(part.text)
    return {"role": message.role, "content": "".join(texts)}


def _prompts(prompt: str | list[int | str | list[int]]) -> tuple[Prompt, ...]:
    """One text, one list of ids, or a list of either."""
    if isinstance(prompt, str):
        return (prompt,)
    ids = [item for item in prompt if isinstance(item, int)]
    if ids and len(ids) == len(prompt):
        return (tuple(ids),)
    found = tuple(tuple(item) if isinstance(item, list) else item for item in prompt if not isinstance(item, int))
    if len(found) != len(prompt) or not found:
        raise Malformed(
            "`prompt` is neither a text, a list of token ids, nor a list of such prompts",
            hint="send one string, or a list that holds only strings or only lists of ids",
            param="prompt",
        )
    return found


def _sampling(content: _Body, *, logprobs: int | None) -> Sampling:
    return Sampling(
        max_tokens=0,
        temperature=1.0 if content.temperature is None else content.temperature,
        top_p=1.0 if content.top_p is None else content.top_p,
        top_k=max(0, content.top_k or 0),  # vLLM's -1 is all
        min_p=content.min_p or 0.0,
        presence_penalty=content.presence_penalty or 0.0,
        frequency_penalty=content.frequency_penalty or 0.0,
        repetition_penalty=content.repetition_penalty or 1.0,
        min_tokens=content.min_tokens or 0,
        stop_tokens=tuple(content.stop_token_ids or ()),
        seed=content.seed,
        logprobs=logprobs,
        constraint=constraint_of(content),
    )


def _shared(content: _Body) -> dict[str, Any]:
    n = content.n or 1
    if content.best_of is not None and content.best_of != n:
        raise _cannot("best_of", "no more answers are made than are sent", "send the same number as `n`, or none")
    for name, problem in _CANNOT.items():
        if getattr(content, name):
            raise _cannot(name, problem, f"leave `{name}` out")
    stop = (content.stop,) if isinstance(content.stop, str) else tuple(content.stop or ())
    if len(stop) > _MAX_STOPS or not all(stop):
        raise Malformed("`stop` takes up to 4 strings, none of them empty", hint="shorten the list", param="stop")
    stream = bool(content.stream)
    options = content.stream_options
    return {
        "n": n,
        "stop": stop,
        "stream": stream,
        "include_usage": stream and options is not None and bool(options.include_usage),
    }


_CANNOT = {
    "logit_bias": "the engine cannot raise or lower single tokens",
    "use_beam_search": "answers are sampled, not searched",
    "prompt_logprobs": "the prompt's own log-probabilities are not known",
    "ignore_eos": "an answer ends where the model ends it",
}


def _cannot(param: str, problem: str, remedy: str) -> Unprocessable:
    return Unprocessable(problem, hint=remedy, param=param)
