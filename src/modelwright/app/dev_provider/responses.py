"""The dev provider's answers on OpenAI's responses wire, written down from that wire's own description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from modelwright.app.dev_provider.answers import ARGUMENTS, CREATED, TOLD_TO_FAIL, WORDS, Ask, text_of, tokens_of

PATH = "/v1/responses"


class ResponsesAnswer:
    """Words, or the arguments of a function that must be called."""

    def __init__(self, ask: Ask, *, number: int, tokens: int, words: Sequence[str] = WORDS) -> None:
        """`words` are the tokens, again from the front when there are more."""
        limit = ask.max_output_tokens
        self._ask = ask
        self._words = tuple(words)
        self._tool = ask.forced_tool
        self.tokens = tokens if limit is None else max(0, min(limit, tokens))
        self._status = "completed" if limit is None or limit >= tokens else "incomplete"
        self._id = f"resp_dev_{number}"
        self._item_id = f"fc_dev_{number}" if self._tool else f"msg_dev_{number}"
        self._number = 0
        """Of the next event."""

    def whole(self) -> bytes:
        return msgspec.json.encode(self._response(self._status, [self._item(self._status)]))

    def opening(self) -> bytes:
        out = [
            self._event(name, {"response": self._response("in_progress", [])})
            for name in ("response.created", "response.in_progress")
        ]
        out.append(self._event("response.output_item.added", {"output_index": 0, "item": self._item("in_progress")}))
        if self._tool:
            out.append(self._said(ARGUMENTS[0]))
        else:
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            out.append(self._event("response.content_part.added", {**self._place(), "part": part}))
        return b"".join(out)

    def events(self) -> Iterator[bytes]:
        for index in range(self.tokens):
            yield self._said(self._words[index % len(self._words)])

    def closing(self) -> bytes:
        item = self._item(self._status)
        if self._tool:
            out = [
                self._said(ARGUMENTS[1]),
                self._event(
                    "response.function_call_arguments.done",
                    {**self._place(), "name": self._tool, "arguments": item["arguments"]},
                ),
            ]
        else:
            part = item["content"][0]
            out = [
                self._event("response.output_text.done", {**self._place(), "text": part["text"], "logprobs": []}),
                self._event("response.content_part.done", {**self._place(), "part": part}),
            ]
        out.append(self._event("response.output_item.done", {"output_index": 0, "item": item}))
        out.append(self._event(f"response.{self._status}", {"response": self._response(self._status, [item])}))
        return b"".join(out)

    def broken(self) -> bytes:
        return self._event("error", {"code": "server_error", "message": TOLD_TO_FAIL, "param": None})

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": self._id,
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "error": None,
            "incomplete_details": cut,
            "instructions": self._ask.instructions,
            "model": self._ask.model,
            "output": output,
            "parallel_tool_calls": True,
            "store": False,
            "tool_choice": self._ask.tool_choice or "auto",
            "tools": [],
            "usage": None if status == "in_progress" else self._usage(),
        }

    def _item(self, status: str) -> dict[str, Any]:
        text = text_of(self.tokens, self._words)
        head = {"id": self._item_id, "status": status}
        begun = status == "in_progress"
        if self._tool:
            arguments = "" if begun else text.join(ARGUMENTS)
            return {**head, "type": "function_call", "call_id": "call_dev", "name": self._tool, "arguments": arguments}
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {**head, "type": "message", "role": "assistant", "content": [] if begun else [part]}

    def _said(self, text: str) -> bytes:
        if self._tool:
            return self._event("response.function_call_arguments.delta", {**self._place(), "delta": text})
        return self._event("response.output_text.delta", {**self._place(), "delta": text, "logprobs": []})

    def _place(self) -> dict[str, Any]:
        place = {"item_id": self._item_id, "output_index": 0}
        return place if self._tool else {**place, "content_index": 0}

    def _usage(self) -> dict[str, Any]:
        """A quarter of the prompt was cached, a quarter of the answer was reasoning."""
        prompt = tokens_of(bytes(self._ask.input))
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": prompt // 4, "cache_write_tokens": 0},
            "output_tokens": self.tokens,
            "output_tokens_details": {"reasoning_tokens": self.tokens // 4},
            "total_tokens": prompt + self.tokens,
        }

    def _event(self, name: str, fields: dict[str, Any]) -> bytes:
        data = msgspec.json.encode({"type": name, "sequence_number": self._number, **fields})
        self._number += 1
        return f"event: {name}\ndata: ".encode() + data + b"\n\n"
