"""One of Anthropic's messages as a chat request: what has a word there is translated, what has none is refused."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.wire.between.fields import cannot, check_count, decode, refuse, unknown, wrong


class _Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""


class _Block(msgspec.Struct):
    type: str
    text: str | None = None
    source: _Source | None = None
    title: str | None = None
    id: str = ""
    name: str = ""
    input: dict[str, Any] | None = None
    tool_use_id: str = ""
    content: Any = None


class _Result(msgspec.Struct):
    content: str | list[_Block] | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Block]


class _Tool(msgspec.Struct):
    name: str
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class _ToolChoice(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool = False


class _Format(msgspec.Struct):
    type: str
    schema: dict[str, Any] = {}


class _Output(msgspec.Struct):
    effort: str | None = None
    format: _Format | None = None


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class MessagesRequest(msgspec.Struct):
    """The fields of a request of messages that the other wire has a word for, or that are refused."""

    model: str
    messages: list[_Message]
    max_tokens: int | None = None
    system: str | list[_Block] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: _ToolChoice | None = None
    output_config: _Output | None = None
    output_format: _Format | None = None
    thinking: dict[str, Any] | None = None
    metadata: _Metadata | None = None
    container: Any = None
    mcp_servers: Any = None


_CANNOT = {
    "container": "there is none to run in",
    "mcp_servers": "tools are called by the client",
}
_HINTS = (
    "cache_control",
    "context_management",
    "diagnostics",
    "inference_geo",
    "service_tier",
    "speed",
    "top_k",
    "user_profile_id",
    "workspace_id",
)
"""Wishes that chat has no word for and that change no answer's form: they are left out."""
_KNOWN = frozenset(MessagesRequest.__struct_fields__) | frozenset(_HINTS)
_REFERENCE = "the Anthropic API reference"
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_decoder = msgspec.json.Decoder(MessagesRequest)


def translate(body: bytes, *, limit_field: str = "max_tokens") -> bytes:
    """The request's body on the chat wire; raises Malformed or Unprocessable that names the field.

    `limit_field` is the vendor's name of the limit of tokens. Unknown fields pass as they are.
    """
    request = decode(_decoder, body, reference=_REFERENCE)
    refuse(msgspec.structs.asdict(request), _CANNOT)
    check_count((message.content for message in request.messages), "messages")
    if request.max_tokens is None:
        raise wrong("max_tokens", "is missing")
    fields: dict[str, Any] = {
        **unknown(body, known=_KNOWN),
        "model": request.model,
        "messages": [*_system(request.system), *_turns(request.messages)],
        limit_field: request.max_tokens,
        "stream": request.stream,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop_sequences or None,
        "tools": [_tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools or ())] or None,
        "user": request.metadata.user_id if request.metadata is not None else None,
        **_tool_choice(request.tool_choice),
        **_output(request),
    }
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def _output(request: MessagesRequest) -> dict[str, Any]:
    wanted = request.output_config or _Output()
    form = wanted.format or request.output_format
    found: dict[str, Any] = {}
    if (request.thinking or {}).get("type") == "disabled":
        found["reasoning_effort"] = "none" if wanted.effort else None
    elif wanted.effort:
        found["reasoning_effort"] = wanted.effort
    if form is not None:
        if form.type != "json_schema":
            raise cannot("output_config.format", f"there is no `{form.type}`", "send a json_schema")
        schema = {"name": "answer", "schema": form.schema, "strict": True}
        found["response_format"] = {"type": "json_schema", "json_schema": schema}
    return found


def _system(content: str | list[_Block] | None) -> list[dict[str, Any]]:
    if not content:
        return []
    text = content if isinstance(content, str) else _texts(content, "system", joint="\n\n")
    return [{"role": "system", "content": text}]


def _turns(messages: list[_Message]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        place = f"messages[{index}].content"
        content = message.content
        blocks = [_Block(type="text", text=content)] if isinstance(content, str) else content
        match message.role:
            case "user":
                turns += _asked(blocks, place)
            case "assistant":
                turns.append(_said(blocks, place))
            case "system":
                turns += _system(content)
            case other:
                raise wrong(f"messages[{index}].role", f"is {other!r}: use user or assistant")
    return turns


def _asked(blocks: list[_Block], place: str) -> list[dict[str, Any]]:
    """Results of tools come first, as messages of their own; pictures in them follow as the user's."""
    results: list[dict[str, Any]] = []
    parts: list[dict[str, Any]] = []
    for index, block in enumerate(blocks):
        here = f"{place}[{index}]"
        if block.type != "tool_result":
            parts.append(_part(block, here))
            continue
        inner = _inner(block, here)
        text = _texts([one for one in inner if one.type == "text"], here, joint="\n")
        parts += [_part(one, f"{here}.content") for one in inner if one.type != "text"]
        results.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": text})
    if not parts:
        return results
    alone = len(parts) == 1 and parts[0]["type"] == "text"
    return [*results, {"role": "user", "content": parts[0]["text"] if alone else parts}]


def _inner(block: _Block, place: str) -> list[_Block]:
    """What a tool has answered."""
    try:
        content = msgspec.convert({"content": block.content}, _Result).content
    except msgspec.ValidationError as error:
        raise wrong(f"{place}.content", f"cannot be read: {error}") from None
    return [_Block(type="text", text=content)] if isinstance(content, str) else content or []


def _part(block: _Block, place: str) -> dict[str, Any]:
    source = block.source or _Source(type="")
    match block.type, source.type:
        case "text", _:
            return {"type": "text", "text": _text(block, place)}
        case "image", "base64":
            return {"type": "image_url", "image_url": {"url": _data_url(source)}}
        case "image", "url":
            return {"type": "image_url", "image_url": {"url": source.url}}
        case "document", "base64":
            return {"type": "file", "file": {"filename": block.title or "document", "file_data": _data_url(source)}}
        case "document", "text":
            return {"type": "text", "text": source.data}
        case kind, "":
            raise cannot(place, f"there is no word for a block of type `{kind}`")
        case kind, origin:
            raise cannot(place, f"there is no word for a `{kind}` from `{origin}`", "send it as base64")


def _data_url(source: _Source) -> str:
    return f"data:{source.media_type};base64,{source.data}"


def _said(blocks: list[_Block], place: str) -> dict[str, Any]:
    """What the assistant said before; its thoughts are left out, since only their vendor can read them."""
    words = [block for block in blocks if block.type not in {"tool_use", *_THOUGHTS}]
    calls = [_call(block) for block in blocks if block.type == "tool_use"]
    text = _texts(words, place, joint="")
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    return {**message, "tool_calls": calls} if calls else message


def _call(block: _Block) -> dict[str, Any]:
    arguments = msgspec.json.encode(block.input or {}).decode()
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


def _texts(blocks: list[_Block], place: str, *, joint: str) -> str:
    return joint.join(_text(block, f"{place}[{index}]") for index, block in enumerate(blocks))


def _text(block: _Block, place: str) -> str:
    if block.type != "text":
        raise cannot(place, f"there is no word for a block of type `{block.type}`")
    if block.text is None:
        raise wrong(f"{place}.text", "is missing")
    return block.text


def _tool(tool: _Tool, place: str) -> dict[str, Any]:
    if tool.type not in {None, "custom"}:
        raise cannot(place, f"`{tool.type}` is a tool that only Anthropic runs or knows", "describe it by a schema")
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.input_schema,
        "strict": tool.strict,
    }
    return {"type": "function", "function": {name: value for name, value in function.items() if value is not None}}


def _tool_choice(choice: _ToolChoice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    alone = {"parallel_tool_calls": False} if choice.disable_parallel_tool_use else {}
    match choice.type:
        case "auto" | "none":
            return {"tool_choice": choice.type, **alone}
        case "any":
            return {"tool_choice": "required", **alone}
        case "tool" if choice.name:
            return {"tool_choice": {"type": "function", "function": {"name": choice.name}}, **alone}
        case _:
            raise wrong("tool_choice", "is none of auto, any, tool (with a name) and none")
