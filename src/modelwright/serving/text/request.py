"""Reads a chat or completion request into what a text engine needs; refuses by name what this engine cannot do."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.ports.engines import Sampling
from modelwright.core.wire.unreadable import UNREADABLE

_Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]
_MAX_STOPS = 4


class _Part(msgspec.Struct):
    type: str
    text: str | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _JsonSchema(msgspec.Struct):
    schema: dict[str, Any]
    name: str = ""


class _ResponseFormat(msgspec.Struct):
    type: str
    json_schema: _JsonSchema | None = None


class _Body(msgspec.Struct):
    """Fields that chat and completions share; None stands for JSON's null, which clients send for "default"."""

    model: str
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: _Probability | None = None
    top_k: Annotated[int, msgspec.Meta(ge=0)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    response_format: _ResponseFormat | None = None
    logit_bias: dict[str, float] | None = None


class _ChatBody(_Body, kw_only=True):
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    max_completion_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    tools: list[msgspec.Raw] | None = None
    functions: list[msgspec.Raw] | None = None


class _CompletionBody(_Body, kw_only=True):
    prompt: str | list[int | str]
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None
    logprobs: int | None = None


class TextRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request in the engine's terms; exactly one of `messages`, `text` and `tokens` is set."""

    model: str
    chat: bool
    messages: tuple[dict[str, str], ...] = ()
    text: str | None = None
    tokens: tuple[int, ...] | None = None
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
        raise _cannot("tools", "this model does not call tools", "leave `tools` out")
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
    for name in ("echo", "suffix"):
        if getattr(content, name):
            raise _cannot(name, f"`{name}` is not supported by this model", f"leave `{name}` out")
    if content.best_of is not None and content.best_of != 1:
        raise _cannot("best_of", "one answer is made per request", "send 1 or leave it out")
    text, tokens = _prompt(content.prompt)
    return TextRequest(
        model=content.model,
        chat=False,
        text=text,
        tokens=tokens,
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


def _prompt(prompt: str | list[int | str]) -> tuple[str | None, tuple[int, ...] | None]:
    if isinstance(prompt, str):
        return prompt, None
    if len(prompt) == 1 and isinstance(prompt[0], str):
        return prompt[0], None
    tokens = tuple(item for item in prompt if isinstance(item, int))
    if len(tokens) != len(prompt) or not tokens:
        raise _cannot("prompt", "one prompt is answered per request", "send one string or one list of token ids")
    return None, tokens


def _sampling(content: _Body, *, logprobs: int | None) -> Sampling:
    return Sampling(
        max_tokens=0,
        temperature=1.0 if content.temperature is None else content.temperature,
        top_p=1.0 if content.top_p is None else content.top_p,
        top_k=content.top_k or 0,
        presence_penalty=content.presence_penalty or 0.0,
        frequency_penalty=content.frequency_penalty or 0.0,
        seed=content.seed,
        logprobs=logprobs,
        json_schema=_json_schema(content.response_format),
    )


def _shared(content: _Body) -> dict[str, Any]:
    if content.n is not None and content.n != 1:
        raise _cannot("n", "one answer is made per request", "send n=1 and repeat the request")
    if content.logit_bias:
        raise _cannot("logit_bias", "logit_bias is not supported by this model", "leave it out")
    stop = (content.stop,) if isinstance(content.stop, str) else tuple(content.stop or ())
    if len(stop) > _MAX_STOPS or not all(stop):
        raise Malformed("`stop` takes up to 4 strings, none of them empty", hint="shorten the list", param="stop")
    stream = bool(content.stream)
    options = content.stream_options
    return {
        "stop": stop,
        "stream": stream,
        "include_usage": stream and options is not None and bool(options.include_usage),
    }


def _json_schema(wanted: _ResponseFormat | None) -> str | None:
    match wanted:
        case None | _ResponseFormat(type="text"):
            return None
        case _ResponseFormat(type="json_object"):
            return '{"type":"object"}'
        case _ResponseFormat(type="json_schema", json_schema=_JsonSchema(schema=schema)):
            return msgspec.json.encode(schema).decode()
        case _:
            raise Malformed(
                "`response_format` is neither text, json_object nor json_schema with a schema",
                hint="see structured outputs in the OpenAI API reference",
                param="response_format",
            )


def _cannot(param: str, problem: str, remedy: str) -> Unprocessable:
    return Unprocessable(problem, hint=remedy, param=param)
