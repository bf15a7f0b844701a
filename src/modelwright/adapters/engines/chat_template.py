"""Renders a model's chat template as transformers does, sandboxed and bounded; it knows no tokens and no engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from modelwright.core.errors.calls import Malformed
from modelwright.core.errors.starting import BadModelFile

MAX_SOURCE = 512 * 1024
MAX_TEXT = 8 * 1024 * 1024
MAX_RANGE = 10_000


class ChatTemplate:
    """One compiled template; `render` may be called any number of times, from any thread: it keeps nothing."""

    def __init__(
        self, source: str, *, place: str, special_tokens: Mapping[str, str], now: Callable[[], datetime] = datetime.now
    ) -> None:
        """Compile; place names the model in errors, special_tokens are `bos_token` and the like, now is local time.

        Raises:
            BadModelFile: the template is too long or is not Jinja.
        """
        if len(source) > MAX_SOURCE:
            problem = f"its chat template has {len(source)} characters; the limit is {MAX_SOURCE}"
            raise BadModelFile(problem, place=place, hint="give a shorter template")
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        environment.filters["tojson"] = _to_json
        environment.globals.update(raise_exception=_raise_exception, strftime_now=lambda layout: now().strftime(layout))
        try:
            self._template = environment.from_string(source)
        except TemplateSyntaxError as error:
            problem = f"its chat template is not valid Jinja: line {error.lineno}: {error.message}"
            raise BadModelFile(problem, place=place, hint="mend the template in the model file") from error
        self._special_tokens = dict(special_tokens)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        add_generation_prompt: bool = True,
    ) -> str:
        """The prompt of a conversation in the OpenAI wire's form, ready for the tokenizer.

        Raises:
            Malformed: the template refuses the messages, fails on them, or writes more than `MAX_TEXT` characters.
        """
        facts = {
            **self._special_tokens,
            "messages": [dict(message) for message in messages],
            "tools": tools,
            "documents": None,
            "add_generation_prompt": add_generation_prompt,
        }
        pieces: list[str] = []
        room = MAX_TEXT
        try:
            for piece in self._template.generate(facts):
                room -= len(piece)
                if room < 0:
                    raise _refused(f"the prompt would pass {MAX_TEXT} characters")
                pieces.append(piece)
        except Malformed:
            raise
        except _Refusal as error:
            raise _refused(f"the model's chat template refuses them: {error.message}") from error
        except Exception as error:  # a template may fail in any way
            raise _refused(f"the model's chat template fails on them: {error}") from error
        return "".join(pieces)


class _Refusal(TemplateError):
    """The template called `raise_exception`."""


class _Generation(Extension):
    """Accepts transformers' generation blocks, which only mark a part for training."""

    tags = {"generation"}  # noqa: RUF012 - Jinja's type

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, which besides refuses to multiply texts or raise powers without end."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.globals["range"] = _bounded_range

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: PLR0917 - Jinja's signature
        if operator == "**":
            raise SecurityError("powers are not allowed in a chat template")
        for text, times in ((left, right), (right, left)):
            if isinstance(text, str | list | tuple) and isinstance(times, int) and len(text) * times > MAX_TEXT:
                raise SecurityError("a product is too long")
        return super().call_binop(context, operator, left, right)


def _bounded_range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise SecurityError(f"a range is longer than {MAX_RANGE}")
    return found


def _raise_exception(message: str) -> str:
    raise _Refusal(message)


def _to_json(value: Any, indent: int | None = None, **options: Any) -> str:
    # Jinja's own filter escapes for HTML; a prompt must not be.
    options.setdefault("ensure_ascii", False)
    return json.dumps(value, indent=indent, **options)


def _refused(problem: str) -> Malformed:
    return Malformed(problem, param="messages", hint="send roles and contents that this model's chat template knows")
