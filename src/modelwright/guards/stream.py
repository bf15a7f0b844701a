"""Guards an answer that comes as a stream of events: each choice's texts go through a window of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from modelwright.core.wire.sse import DONE, EventSplitter, event_bytes, event_data
from modelwright.guards.leak import Listener, Told
from modelwright.guards.side import Side, check_leak, check_size, window
from modelwright.guards.texts import JSON_TEXT, NAMES, kind_of, shown
from modelwright.guards.verdicts import Verdicts
from modelwright.guards.window import Window

TEXTS = 64
"""Texts that one stream may carry side by side: choices, reasoning, arguments of tool calls."""

Way: TypeAlias = "tuple[str | int, ...]"
"""The choice's index, then the keys and indexes from there to a text."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class AnswerStream:
    """One streamed answer. Events leave at once; of their texts at most a window is held back."""

    def __init__(self, side: Side, verdicts: Verdicts, told: Told) -> None:
        self._told = told
        self._listeners: dict[Way, Listener] = {}
        self._side = side
        self._verdicts = verdicts
        self._windows: dict[Way, Window] = {}
        self._last: dict[str, Any] = {}
        """The latest event with choices: what an event of ours looks like."""
        self._passed: list[bytes] = []
        """Of the events in hand, those that may leave."""
        self._held: list[tuple[Way, str]] = []
        """What the texts of the event in hand had waiting before it."""
        self._changed = self._says = False
        self._size = 0

    def events(self, events: bytes) -> bytes:
        """What may leave now."""
        if events.endswith(b"\n\n") and events.count(b"\n\n") == 1:
            return self._event(events)
        splitter = EventSplitter()
        for event in splitter.push(events):
            self._passed.append(self._event(event))
        passed, self._passed = self._passed, []
        return b"".join(passed) + splitter.rest()

    def unjudged(self, events: bytes) -> bytes:
        """What had come through before the guard failed, what the windows held, and the rest as it came."""
        splitter = EventSplitter()
        rest = splitter.push(events)[len(self._passed) :]
        held = {way: found.held for way, found in self._windows.items()} | dict(reversed(self._held))
        return b"".join([*self._passed, self._saying(held), *rest, splitter.rest()])

    def stopped(self) -> bytes:
        """What had come through before, and the end of every choice: a filter stopped it."""
        return b"".join(self._passed) + self._stop()

    def _stop(self) -> bytes:
        indexes = dict.fromkeys(way[0] for way in self._windows) or {0: None}
        is_chat = any(way[1:2] != ("text",) for way in self._windows)
        says: dict[str, Any] = {"delta": {}} if is_chat else {"text": ""}
        return self._ours([{"index": index, **says, "finish_reason": "content_filter"} for index in indexes])

    def _event(self, event: bytes) -> bytes:
        self._held.clear()
        data = event_data(event)
        if not data:
            return event
        if data == DONE:
            return self._rest() + event
        content = _decode(data)
        choices = content.get("choices")
        if not choices:
            return self._rest() + event if "error" in content else event
        self._changed = self._says = False
        before = self._choices(choices)
        self._last = content
        if not self._side.intervenes or not (self._changed or before):
            return event
        if not self._says and content.get("usage") is None:
            return before
        return before + event_bytes(_encode(content))

    def _choices(self, choices: list[dict[str, Any]]) -> bytes:
        """Let the texts of these choices through; what must leave before this event, since it ends one of them."""
        left: list[Way] = []
        for position, choice in enumerate(choices):
            index = choice.get("index", position)
            if choice.get("logprobs") is not None and self._side.intervenes:
                choice["logprobs"] = None  # it spells the text out
                self._changed = self._says = True
            if choice.get("delta"):
                self._texts(choice["delta"], (index,))
            if choice.get("message"):  # some vendors repeat the whole text
                self._texts(choice["message"], (index, "message"))
            if choice.get("text"):
                self._text(choice, "text", (index,))
            if choice.get("finish_reason") is not None:
                self._says = True
                left.extend(way for way in self._windows if way[0] == index)
        return self._finish(left) if left else b""

    def _texts(self, holder: dict[str, Any], way: Way) -> None:
        for key, value in holder.items():
            kind = kind_of(value)
            if kind is str:
                if key in NAMES:
                    self._says = True
                elif value:
                    self._text(holder, key, way)
            elif kind is dict:
                self._texts(value, (*way, key))
            elif kind is list:
                self._items(value, (*way, key))
            elif value is not None and key != "index":
                self._says = True

    def _items(self, items: list[Any], way: Way) -> None:
        for position, item in enumerate(items):
            kind = kind_of(item)
            if kind is dict:
                self._texts(item, (*way, item.get("index", position)))
            elif kind is str:
                items[position] = window(self._side, self._verdicts, _named(way)).whole(item)
                self._changed = self._says = True
            elif item is not None:
                self._says = True

    def _text(self, holder: dict[str, Any], key: str, way: Way) -> None:
        text = holder[key]
        self._size += len(text)
        check_size(self._side, self._verdicts, self._size)
        if self._told.runs:
            self._listen((*way, key), text)
        found = self._window((*way, key))
        self._held.append(((*way, key), found.held))
        through = found.push(text)
        if through:
            self._says = True
        if through != text:
            holder[key] = through
            self._changed = True

    def _listen(self, way: Way, text: str) -> None:
        listener = self._listeners.get(way)
        if listener is None:
            listener = self._listeners[way] = Listener(self._told)
        if listener.hear(text):
            self._told = Told(())  # one word about it is enough
            check_leak(self._side, self._verdicts, place=_named(way)())

    def _window(self, way: Way) -> Window:
        found = self._windows.get(way)
        if found is None:
            if len(self._windows) >= TEXTS:
                raise ValueError(f"a stream carries more than {TEXTS} texts")
            found = window(self._side, self._verdicts, _named(way), json=way[-1] == JSON_TEXT)
            self._windows[way] = found
        return found

    def _rest(self) -> bytes:
        return self._finish(list(self._windows))

    def _finish(self, ways: list[Way]) -> bytes:
        """These texts are over; an event with what waited of them."""
        texts: dict[Way, str] = {}
        for way in ways:
            found = self._windows.pop(way)
            self._held.append((way, found.held))
            texts[way] = found.finish() if found.waiting else ""
        return self._saying(texts)

    def _saying(self, texts: Mapping[Way, str]) -> bytes:
        """An event of ours with these texts, where there are any and they were held back."""
        choices: dict[Any, dict[str, Any]] = {}
        for way, text in texts.items():
            if text:
                index = way[0]
                choice = choices.setdefault(index, {"index": index})
                _put(choice if way[1:] == ("text",) else choice.setdefault("delta", {}), way[1:], text)
        if not choices or not self._side.intervenes:
            return b""
        return self._ours([{**choice, "finish_reason": None} for choice in choices.values()])

    def _ours(self, choices: list[dict[str, Any]]) -> bytes:
        like = {key: value for key, value in self._last.items() if key not in {"choices", "usage"}}
        return event_bytes(_encode({**like, "choices": choices}))


def _put(holder: dict[str, Any], way: Way, text: str) -> None:
    """Set a text at the end of a way, with what must be there on the way."""
    here: dict[str, Any] = holder
    for step, following in zip(way, (*way[1:], None), strict=True):
        if following is None:
            here[str(step)] = text
        elif isinstance(step, str) and isinstance(following, str):
            here = here.setdefault(step, {})
        elif isinstance(step, str):
            items: list[dict[str, Any]] = here.setdefault(step, [])
            here = next((item for item in items if item["index"] == following), {"index": following})
            if here not in items:
                items.append(here)


def _named(way: Way) -> Callable[[], str]:
    def place() -> str:
        path: Any = (None, "choices")
        for step in way:
            path = (path, step)
        return shown(path)

    return place
