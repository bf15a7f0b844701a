"""Answers requests of the dev provider: OpenAI's and Anthropic's paths, and `/dev` for tests to look inside."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import parse_qs

import msgspec

from modelwright.app.dev_provider import answers, messages, responses, steps
from modelwright.app.dev_provider.answers import Answer, Ask, Telling
from modelwright.app.dev_provider.faults import Effects, Fault, FaultScript, parse_faults
from modelwright.app.dev_provider.journal import Entry, Journal
from modelwright.app.dev_provider.messages import MessagesAnswer
from modelwright.app.dev_provider.responses import ResponsesAnswer
from modelwright.app.dev_provider.steps import Step

_ask = msgspec.json.Decoder(Ask)
_OURS = ("/dev/", "/healthz")
_METHODS = {
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
    "/v1/embeddings": "POST",
    responses.PATH: "POST",
    messages.PATH: "POST",
    "/v1/models": "GET",
    "/healthz": "GET",
    "/dev/requests": "GET",
    "/dev/reset": "POST",
    "/dev/faults": "POST",
}
_FIELDS = {
    "/v1/chat/completions": "messages",
    "/v1/completions": "prompt",
    "/v1/embeddings": "input",
    responses.PATH: "input",
    messages.PATH: "messages",
}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a dev provider behaves."""

    tokens: int = 8
    """Of an answer, unless the request asks for fewer."""
    delay: float = 0.02
    """Seconds before each token of a stream."""
    key: str = ""
    """Requests must carry it as a bearer token; empty: anybody may ask."""
    echo: int = 0
    """Answer with the last message, in tokens of so many characters; 0: with words of its own."""
    faults: tuple[Fault, ...] = ()


class _Faults(msgspec.Struct, forbid_unknown_fields=True):
    faults: list[str]


class Held(Protocol):
    """An answer that waits until the faults are set anew."""

    def release(self) -> None:
        """Go on."""
        ...


class Service:
    """The state of one dev provider."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._authorization = f"Bearer {options.key}".encode()
        self._script = FaultScript(options.faults)
        self._journal = Journal()
        self.open_connections = 0
        self.connections = 0
        """All that were ever accepted."""
        self.held: set[Held] = set()
        self.told = 0
        """How often the faults were set anew: what was asked before is held no longer."""

    def receive(
        self, method: str, target: str, *, connection: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[Entry | None, Iterator[Step]]:
        """The steps of the answer; the entry to keep true while they are performed, None for our own paths."""
        path, _, query = target.partition("?")
        if path.startswith(_OURS):
            return None, iter((self._inside(method, path, query=query, body=body),))
        entry = self._journal.add(connection=connection, method=method, path=target, headers=headers, body=body)
        effects = self._script.next()
        entry.faults = effects.specs
        return entry, self._answer(path, entry, effects)

    def _answer(self, path: str, entry: Entry, effects: Effects) -> Iterator[Step]:
        if path not in _METHODS:
            return steps.failed(f"no such path: {path}", entry, status=404)
        if entry.method != _METHODS[path]:
            return steps.failed(f"{path} wants {_METHODS[path]}", entry, status=405)
        if not self._admits(entry):
            return steps.failed("the API key is wrong", entry, status=401, code="invalid_api_key")
        if path == "/v1/models":
            return steps.answered(answers.models(), effects, entry=entry)
        try:
            ask = _read(path, entry.body)
            if path == "/v1/embeddings":
                return steps.answered(answers.embeddings(ask), effects, entry=entry)
        except ValueError as error:
            return steps.failed(f"the body cannot be read: {error}", entry, status=400)
        if path == messages.PATH and (wrong := messages.problem(ask, entry.headers)):
            return steps.failed(wrong, entry, status=400)
        answer = self._tell(path, ask, entry.number)
        if ask.stream:
            return steps.streamed(answer, effects, delay=self._options.delay, entry=entry)
        return steps.answered(answer.whole(), effects, entry=entry)

    def _tell(self, path: str, ask: Ask, number: int) -> Telling:
        echo = self._options.echo
        words = answers.echoed(ask, echo) if echo else answers.WORDS
        tokens = len(words) if echo else self._options.tokens
        match path:
            case messages.PATH:
                return MessagesAnswer(ask, number=number, tokens=tokens, words=words)
            case responses.PATH:
                return ResponsesAnswer(ask, number=number, tokens=tokens, words=words)
            case _:
                return Answer(ask, chat=path == "/v1/chat/completions", number=number, tokens=tokens, words=words)

    def _admits(self, entry: Entry) -> bool:
        if not self._options.key:
            return True
        name, wanted = b"authorization", self._authorization
        if entry.path.startswith(messages.PATH):
            name, wanted = b"x-api-key", self._options.key.encode()
        given = next((value for known, value in entry.headers if known == name), b"")
        return hmac.compare_digest(given, wanted)

    def _inside(self, method: str, path: str, *, query: str, body: bytes) -> bytes:
        """`/dev` and `/healthz`: never noted, never disturbed by a fault."""
        if path not in _METHODS or (method != _METHODS[path] and (method, path) != ("GET", "/dev/faults")):
            return steps.failure(f"no such thing: {method} {path}", status=404)
        if path == "/healthz":
            return _json({"status": "ok"})
        if path == "/dev/requests":
            asked = parse_qs(query)
            return _json(self._seen(secrets=asked.get("authorization") == ["show"], after=_number(asked.get("after"))))
        if path == "/dev/reset":
            self._journal.clear()
            self._script = FaultScript(self._options.faults)
            self._let_go()
        elif method == "POST":
            try:
                self._script = FaultScript(parse_faults(msgspec.json.decode(body, type=_Faults).faults))
            except ValueError as error:  # msgspec's errors are ValueErrors too
                return steps.failure(f"{error}", status=400)
            self._let_go()
        return _json({"faults": self._script.left()})

    def _let_go(self) -> None:
        self.told += 1
        for answer in tuple(self.held):
            answer.release()

    def _seen(self, *, secrets: bool, after: int) -> dict[str, Any]:
        return {
            "requests": self._journal.facts(secrets=secrets, after=after),
            "received": self._journal.count,
            "connections": self.connections,
            "open_connections": self.open_connections,
            "faults": self._script.left(),
        }


def _read(path: str, body: bytes) -> Ask:
    """The request; ValueError (msgspec's among them) when it cannot be answered."""
    try:
        ask = _ask.decode(body)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    field = _FIELDS[path]
    given = getattr(ask, field)
    if given is None or (isinstance(given, msgspec.Raw) and bytes(given) in {b"", b"null"}):
        raise ValueError(f"it lacks the field `{field}`")
    return ask


def _number(given: list[str] | None) -> int:
    """Of the query's field; 0 for none."""
    return int(given[0]) if given and given[0].isdecimal() else 0


def _json(content: Any) -> bytes:
    return steps.whole(msgspec.json.encode(content))
