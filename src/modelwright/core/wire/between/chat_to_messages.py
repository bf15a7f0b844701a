"""A chat request as one of Anthropic's messages: what has a word there is translated, what has none is refused."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.wire.between.fields import (
    cannot,
    check_count,
    data_url,
    decode,
    read_arguments,
    refuse,
    unknown,
    wrong,
)


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    arguments: str = ""
    strict: bool | None = None


class _Call(msgspec.Struct):
    id: str
    function: _Function


class _Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    thinking_blocks: list[dict[str, Any]] | None = None


class _Schema(msgspec.Struct):
    schema: dict[str, Any] = {}


class _Format(msgspec.Struct):
    type: str
    json_schema: _Schema | None = None


class ChatRequest(msgspec.Struct):
    """The fields of a chat request that the other wire has a word for, or that are refused."""

    messages: list[_Message]
    model: str = ""
    stream: bool | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    reasoning_effort: str | None = None
    output_config: dict[str, Any] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    n: int | None = None
    logprobs: bool | None = None
    functions: Any = None
    function_call: Any = None
    audio: Any = None
    modalities: list[str] | None = None
    web_search_options: Any = None


_ONE_ANSWER = "one answer is made per request"
_CANNOT = {
    "logprobs": "the vendor tells no probabilities",
    "functions": "it was replaced by `tools`",
    "function_call": "it was replaced by `tool_choice`",
    "audio": "the vendor does not speak",
    "web_search_options": "the vendor's search is a tool of another form",
}
_HINTS = (
    "frequency_penalty",
    "logit_bias",
    "metadata",
    "moderation",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "seed",
    "service_tier",
    "store",
    "stream_options",
    "top_logprobs",
    "verbosity",
)
"""Wishes that the vendor has no word for and that change no answer's form: they are left out."""
_KNOWN = frozenset(ChatRequest.__struct_fields__) | frozenset(_HINTS)
_EFFORTS = {"minimal": "low"}
_decoder = msgspec.json.Decoder(ChatRequest)


def translate(body: bytes, *, max_tokens: int) -> bytes:
    """The request's body on the other wire; raises Malformed or Unprocessable that names the field.

    `max_tokens` is sent when the client sets no limit, since the vendor wants one. Unknown fields pass as they are.
    """
    request = decode(_decoder, body, reference="the OpenAI API reference")
    refuse(msgspec.structs.asdict(request), _CANNOT)
    check_count((message.content for message in request.messages), "messages")
    if request.n not in {None, 1}:
        raise cannot("n", _ONE_ANSWER, "send n=1 and repeat the request")
    if request.modalities and request.modalities != ["text"]:
        raise cannot("modalities", "the vendor answers in text")
    fields: dict[str, Any] = {
        **unknown(body, known=_KNOWN),
        "model": request.model,
        "max_tokens": request.max_completion_tokens or request.max_tokens or max_tokens,
        "messages": _turns(request.messages),
        "system": _system(request.messages),
        "stream": request.stream,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": [request.stop] if isinstance(request.stop, str) else request.stop,
        "tools": [_tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools or ())] or None,
        "tool_choice": _tool_choice(request),
        "metadata": {"user_id": user} if (user := request.user or request.safety_identifier) else None,
    }
    fields.update(_output(request))
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def _output(request: ChatRequest) -> dict[str, Any]:
    """How the answer is to look, and how much may be thought about it."""
    wanted = dict(request.output_config or {})
    effort = request.reasoning_effort
    found: dict[str, Any] = {}
    if effort == "none":
        found["thinking"] = {"type": "disabled"}
    elif effort:
        wanted["effort"] = _EFFORTS.get(effort, effort)
    form = request.response_format
    if form is not None and form.type == "json_schema":
        wanted["format"] = {"type": "json_schema", "schema": (form.json_schema or _Schema()).schema}
    elif form is not None and form.type != "text":
        raise cannot("response_format", f"the vendor knows no `{form.type}`", "send a json_schema")
    return {**found, "output_config": wanted} if wanted else found


def _system(messages: list[_Message]) -> str | list[dict[str, Any]] | None:
    """What system and developer say, in their order; a single text stays a text."""
    blocks: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        if message.role in {"system", "developer"}:
            blocks += _blocks(message.content, f"messages[{index}].content")
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return blocks or None


def _turns(messages: list[_Message]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    results: list[dict[str, Any]] | None = None
    for index, message in enumerate(messages):
        place = f"messages[{index}]"
        if message.role == "tool":
            if results is None:
                results = []
                turns.append({"role": "user", "content": results})
            results.append(_result(message, place))
            continue
        if message.role in {"system", "developer"}:
            continue
        results = None
        match message.role:
            case "user":
                content = message.content
                said = content if isinstance(content, str) else _blocks(content, f"{place}.content")
                turns.append({"role": "user", "content": said})
            case "assistant":
                turns.append({"role": "assistant", "content": _said(message, place)})
            case other:
                raise cannot(f"{place}.role", f"there is no role {other!r}", "use system, user, assistant or tool")
    return turns


def _said(message: _Message, place: str) -> str | list[dict[str, Any]]:
    """What the assistant said before: its thoughts, words and tool calls."""
    if isinstance(message.content, str) and message.content and not message.tool_calls and not message.thinking_blocks:
        return message.content
    blocks = list(message.thinking_blocks or ())
    blocks += _blocks(message.content or message.refusal, f"{place}.content")
    for number, call in enumerate(message.tool_calls or ()):
        arguments = read_arguments(call.function.arguments, f"{place}.tool_calls[{number}].function.arguments")
        blocks.append({"type": "tool_use", "id": call.id, "name": call.function.name, "input": arguments})
    return blocks


def _result(message: _Message, place: str) -> dict[str, Any]:
    if message.tool_call_id is None:
        raise wrong(f"{place}.tool_call_id", "is missing: a tool's message names the call that it answers")
    content = message.content
    said = content if isinstance(content, str) else _blocks(content, f"{place}.content")
    return {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": said}


def _blocks(content: str | list[dict[str, Any]] | None, place: str) -> list[dict[str, Any]]:
    """Content blocks; empty texts are left out, since the vendor refuses them."""
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    blocks = [_block(part, f"{place}[{index}]") for index, part in enumerate(content)]
    return [block for block in blocks if block.get("type") != "text" or block.get("text")]


def _block(part: dict[str, Any], place: str) -> dict[str, Any]:
    """One block; a part of a type that chat does not know is taken to be one already."""
    match part.get("type"):
        case "image_url":
            return {"type": "image", "source": _source(_url(part.get("image_url"), place), place), **_rest(part)}
        case "file":
            return {"type": "document", "source": _file(part.get("file"), place), **_rest(part)}
        case "input_audio":
            raise cannot(place, "the vendor does not hear")
        case "refusal":
            return {"type": "text", "text": str(part.get("refusal") or "")}
        case _:
            return part


def _rest(part: dict[str, Any]) -> dict[str, Any]:
    """Fields of the vendor that stand in a part, such as `cache_control`."""
    return {name: value for name, value in part.items() if name not in {"type", "image_url", "file"}}


def _url(image: object, place: str) -> str:
    url = image.get("url") if isinstance(image, dict) else image  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(url, str):
        raise wrong(f"{place}.image_url.url", "is missing")
    return url


def _source(url: str, place: str) -> dict[str, Any]:
    data = data_url(url)
    if data is not None:
        return {"type": "base64", "media_type": data[0], "data": data[1]}
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    raise cannot(f"{place}.image_url.url", "it is neither http(s) nor a data: URL in base64")


def _file(file: object, place: str) -> dict[str, Any]:
    content = file.get("file_data") if isinstance(file, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    data = data_url(content) if isinstance(content, str) else None
    if data is None:
        raise cannot(f"{place}.file", "only file_data as a data: URL in base64 can be handed on")
    return {"type": "base64", "media_type": data[0], "data": data[1]}


def _tool(tool: dict[str, Any], place: str) -> dict[str, Any]:
    """A function as the vendor's tool; a tool of a type that chat does not know is taken to be one already."""
    match tool.get("type"):
        case "function":
            function = _function(tool.get("function"), place)
            found = {
                "name": function.name,
                "description": function.description,
                "input_schema": function.parameters or {"type": "object", "properties": {}},
                "strict": function.strict,
                **{name: value for name, value in tool.items() if name not in {"type", "function"}},
            }
            return {name: value for name, value in found.items() if value is not None}
        case "custom":
            raise cannot(place, "the vendor's tools take JSON")
        case _:
            return tool


def _function(content: object, place: str) -> _Function:
    try:
        return msgspec.convert(content, _Function)
    except msgspec.ValidationError as error:
        raise wrong(f"{place}.function", f"cannot be read: {error}") from None


def _tool_choice(request: ChatRequest) -> dict[str, Any] | None:
    alone = {"disable_parallel_tool_use": True} if request.parallel_tool_calls is False else {}
    match request.tool_choice:
        case None:
            return {"type": "auto", **alone} if alone and request.tools else None
        case "auto":
            return {"type": "auto", **alone}
        case "required":
            return {"type": "any", **alone}
        case "none":
            return {"type": "none"}
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "tool", "name": name, **alone}
        case _:
            raise cannot("tool_choice", "only auto, none, required and one function are known")
