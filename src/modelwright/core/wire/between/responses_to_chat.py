"""A stateless request of OpenAI's responses as a chat request: what has no word there is refused by name."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.wire.between.fields import cannot, check_count, decode, refuse, unknown, wrong


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class _Item(msgspec.Struct):
    type: str = "message"
    role: str = ""
    content: str | list[_Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[_Part] = ""


class _Tool(msgspec.Struct):
    type: str
    name: str = ""
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: str
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class ResponsesRequest(msgspec.Struct):
    """The fields of a request of responses that the other wire has a word for, or that are refused."""

    model: str
    input: str | list[_Item]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    include: list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    user: str | None = None
    safety_identifier: str | None = None
    truncation: str | None = None
    prompt: Any = None
    background: bool | None = None


_CANNOT = {
    "prompt": "templates of the vendor are not known here",
    "background": "answers come at once",
}
_HINTS = (
    "access_programs",
    "context_management",
    "conversation",
    "image",
    "max_tool_calls",
    "metadata",
    "moderation",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "store",
    "stream_options",
)
"""Wishes that chat has no word for and that change no answer's form: they are left out."""
_KNOWN = frozenset(ResponsesRequest.__struct_fields__) | frozenset(_HINTS)
_LOGPROBS = "message.output_text.logprobs"
_INCLUDED = frozenset({_LOGPROBS, "reasoning.encrypted_content"})
"""What may be asked to be included; there is nothing encrypted to include, so it is left out."""
_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_decoder = msgspec.json.Decoder(ResponsesRequest)


def translate(body: bytes, *, limit_field: str = "max_tokens") -> bytes:
    """The request's body on the chat wire; raises Malformed or Unprocessable that names the field.

    `limit_field` is the vendor's name of the limit of tokens. Unknown fields pass as they are.
    """
    request = decode(_decoder, body, reference="the OpenAI API reference")
    refuse(msgspec.structs.asdict(request), _CANNOT)
    if not isinstance(request.input, str):
        check_count((item.content for item in request.input), "input")
    if request.truncation == "auto":
        raise cannot("truncation", "nothing is cut out of the input", "send disabled")
    strange = set(request.include or ()) - _INCLUDED
    if strange:
        raise cannot("include", f"there is no {min(strange)}")
    logprobs = _LOGPROBS in (request.include or ())
    fields: dict[str, Any] = {
        **unknown(body, known=_KNOWN),
        "model": request.model,
        "messages": [*_instructions(request.instructions), *_messages(request.input)],
        limit_field: request.max_output_tokens,
        "stream": request.stream,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "logprobs": True if logprobs else None,
        "top_logprobs": request.top_logprobs if logprobs else None,
        "tools": [_tool(tool, f"tools[{index}]") for index, tool in enumerate(request.tools or ())] or None,
        "tool_choice": _tool_choice(request.tool_choice),
        "parallel_tool_calls": request.parallel_tool_calls if request.tools else None,
        "response_format": _format(request.text.format if request.text is not None else None),
        "reasoning_effort": request.reasoning.effort if request.reasoning is not None else None,
        "user": request.user or request.safety_identifier,
    }
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def _instructions(text: str | None) -> list[dict[str, Any]]:
    return [{"role": "system", "content": text}] if text else []


def _messages(items: str | list[_Item]) -> list[dict[str, Any]]:
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    messages: list[dict[str, Any]] = []
    for index, item in enumerate(items):
        place = f"input[{index}]"
        match item.type:
            case "message":
                messages.append(_message(item, place))
            case "function_call":
                _join_call(messages, item)
            case "function_call_output":
                messages.append({"role": "tool", "tool_call_id": item.call_id, "content": _output(item, place)})
            case "reasoning":
                pass  # only its vendor can read it
            case "item_reference":
                raise cannot(f"{place}.type", "nothing is stored here to refer to", "send the item itself")
            case other:
                raise cannot(f"{place}.type", f"there is no word for an item of type `{other}`")
    return messages


def _message(item: _Item, place: str) -> dict[str, Any]:
    role = _ROLES.get(item.role)
    if role is None:
        raise wrong(f"{place}.role", f"is {item.role!r}: use user, assistant, system or developer")
    content = item.content
    if content is None:
        raise wrong(f"{place}.content", "is missing")
    if isinstance(content, str):
        return {"role": role, "content": content}
    if role == "user":
        return {"role": role, "content": [_part(part, f"{place}.content[{i}]") for i, part in enumerate(content)]}
    return {"role": role, "content": _texts(content, f"{place}.content")}


def _join_call(messages: list[dict[str, Any]], item: _Item) -> None:
    """Calls of one turn stand in one message, together with what was said before them."""
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    call = {"id": item.call_id, "type": "function", "function": {"name": item.name, "arguments": item.arguments}}
    messages[-1].setdefault("tool_calls", []).append(call)


def _output(item: _Item, place: str) -> str:
    return item.output if isinstance(item.output, str) else _texts(item.output, f"{place}.output")


def _part(part: _Part, place: str) -> dict[str, Any]:
    match part.type:
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": _text(part, place)}
        case "input_image" if part.image_url:
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": part.image_url, **detail}}
        case "input_file" if part.file_data:
            return {"type": "file", "file": {"filename": part.filename or "file", "file_data": part.file_data}}
        case "input_image" | "input_file":
            raise cannot(place, "files of the vendor are not known here", "send its data in the request")
        case other:
            raise cannot(place, f"there is no word for content of type `{other}`")


def _texts(parts: list[_Part], place: str) -> str:
    return "".join(_text(part, f"{place}[{index}]") for index, part in enumerate(parts))


def _text(part: _Part, place: str) -> str:
    if part.type not in {"input_text", "output_text", "text", "refusal"}:
        raise cannot(place, f"there is no word for content of type `{part.type}` here", "send text")
    text = part.refusal if part.type == "refusal" else part.text
    if text is None:
        raise wrong(f"{place}.text", "is missing")
    return text


def _tool(tool: _Tool, place: str) -> dict[str, Any]:
    if tool.type != "function":
        raise cannot(place, f"`{tool.type}` is a tool that only OpenAI runs", "describe a function")
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }
    return {"type": "function", "function": {name: value for name, value in function.items() if value is not None}}


def _tool_choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    match choice:
        case None | "auto" | "none" | "required":
            return choice
        case {"type": "function", "name": str(name)}:
            return {"type": "function", "function": {"name": name}}
        case _:
            raise cannot("tool_choice", "only auto, none, required and one function are known")


def _format(wanted: _Format | None) -> dict[str, Any] | None:
    match wanted:
        case None | _Format(type="text"):
            return None
        case _Format(type="json_object"):
            return {"type": "json_object"}
        case _Format(type="json_schema"):
            schema = {
                "name": wanted.name or "answer",
                "description": wanted.description,
                "schema": wanted.schema,
                "strict": wanted.strict,
            }
            given = {name: value for name, value in schema.items() if value is not None}
            return {"type": "json_schema", "json_schema": given}
        case _:
            raise cannot("text.format", f"there is no `{wanted.type}`", "send text, json_object or json_schema")
