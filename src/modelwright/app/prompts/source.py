"""One version of a prompt from its file: a front matter that declares variables, then messages; it renders nothing.

    ---
    variables:
      product: {type: string, max_length: 100}
      tone: {type: string, default: friendly}
    ---
    You answer questions about {{ product }} in a {{ tone }} way.

    [user]
    What can I ask?

A line that is only `[system]`, `[user]` or `[assistant]` begins a message; before the first one the system's stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from pydantic import Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from modelwright.app.document.parse import DocumentError, parse, read_text
from modelwright.app.document.tree import Node, Path, dotted, plain
from modelwright.app.manifest.sections.section import Section
from modelwright.app.manifest.words import explained, unknown_key
from modelwright.app.prompts.language import compile_prompt
from modelwright.core.contracts.snapshot import Prompt, PromptMessage, PromptVariable
from modelwright.core.errors.prompts import PromptError
from modelwright.core.prompting.variables import LENGTHS, MAX_VARIABLES, ROLES, VARIABLE, messages_of, problem_of
from modelwright.registry.registry import digest_of

MAX_BYTES = 256 << 10
_MARK = re.compile(rf"\[({'|'.join(ROLES)})\][ \t]*")
_FENCE = "---"
_NAME = f"^{VARIABLE.pattern}$"


class VariableSection(Section):
    """A value that calls may fill in."""

    type: Literal["string", "integer", "number", "boolean", "list"]
    required: bool | None = None
    default: Any = None
    max_length: int | None = Field(default=None, ge=1)
    description: str = ""


class FrontMatter(Section):
    """What stands before a prompt's messages."""

    description: str = ""
    variables: dict[Annotated[str, StringConstraints(pattern=_NAME)], VariableSection] = Field(default_factory=dict)


class _Part(NamedTuple):
    line: int
    """At which its text begins."""
    message: PromptMessage


def read_prompt(content: bytes, *, name: str, version: str) -> Prompt:
    """The prompt, checked in every respect; its fixed text is final, a text with variables stays a template.

    Raises PromptError with the line of the file.
    """
    if len(content) > MAX_BYTES:
        raise PromptError(f"larger than {MAX_BYTES >> 10} KiB", hint="shorten it")
    try:
        text = read_text(content)
    except DocumentError as error:
        raise PromptError(error.problem, hint=error.remedy, line=error.line) from None
    head, body, first = _split(text)
    variables = tuple(_variables(head))
    parts = list(_parts(body, first))
    if not parts:
        raise PromptError("says nothing", hint="write what the model shall be told")
    prompt = Prompt(
        name=name,
        version=version,
        digest=digest_of(content),
        messages=tuple(part.message for part in parts),
        variables=variables,
    )
    for part in parts:
        _check(prompt, part)
    return prompt if variables else _final(prompt)


def _split(text: str) -> tuple[str, str, int]:
    """Front matter, the rest, and the line at which the rest begins."""
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        return "", text, 1
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == _FENCE:
            return "\n".join(lines[1:number]), "\n".join(lines[number + 1 :]), number + 2
    raise PromptError("the front matter does not end", hint=f"close it by a line {_FENCE}", line=1)


def _variables(head: str) -> Iterator[PromptVariable]:
    if not head.strip():
        return
    try:
        tree, faults = parse(head)
    except DocumentError as error:
        hint = "begin with `variables:`" if "schema" in error.remedy else error.remedy
        raise PromptError(error.problem, hint=hint, line=error.line + 1) from None
    if faults:
        raise PromptError(faults[0].problem, hint=faults[0].remedy, line=faults[0].line + 1)
    try:
        found = FrontMatter.model_validate(plain(tree))
    except ValidationError as error:
        # A misspelt key first: that another one is missing follows from it.
        first = min(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        raise _explained(first, tree) from None
    if len(found.variables) > MAX_VARIABLES:
        raise PromptError(f"more than {MAX_VARIABLES} variables", hint="send them as one", line=1)
    for name, section in found.variables.items():
        variable = _variable(name, section)
        problem, remedy = _variable_problem(section, variable)
        if problem:
            line = tree.line_of(("variables", name), key=True) + 1
            raise PromptError(f"variable {name!r} {problem}", hint=remedy, line=line)
        yield variable


def _variable(name: str, section: VariableSection) -> PromptVariable:
    usual, _ = LENGTHS.get(section.type, (0, 0))
    return PromptVariable(
        name=name,
        type=section.type,
        required=section.default is None if section.required is None else section.required,
        default=section.default,
        max_length=usual if section.max_length is None else section.max_length,
    )


def _variable_problem(section: VariableSection, variable: PromptVariable) -> tuple[str, str]:
    _, most = LENGTHS.get(section.type, (0, 0))
    if section.max_length is not None and not most:
        return f"has a `max_length`, but its type is {section.type}", "remove it"
    if variable.max_length > most:
        return f"has a `max_length` above {most}", f"write at most {most}"
    if variable.required and section.default is not None:
        return "is required and has a `default`", "remove one of them"
    if not variable.required and section.default is None:
        return "is not required and has no `default`", "write `default: …`"
    problem = "" if variable.required else problem_of(variable, variable.default)
    return (f"has a `default` that {problem}", f"its type is {section.type}") if problem else ("", "")


def _explained(error: ErrorDetails, tree: Node) -> PromptError:
    path: Path = tuple(step for step in error["loc"] if step != "[key]")
    if not path:
        return PromptError("the front matter holds no keys", hint="begin with `variables:`", line=1)
    if error["type"] == "extra_forbidden":
        section = VariableSection if len(path) > 1 else FrontMatter
        problem, remedy, _ = unknown_key(str(error["loc"][-1]), section.model_fields)
    elif error["type"] == "string_pattern_mismatch":
        problem, remedy = "is no name of a variable", "write lower-case letters, digits and underscores"
    else:
        problem, remedy, _ = explained(error, path=path, masked=False)
    return PromptError(f"`{dotted(path)}`: {problem}", hint=remedy, line=tree.line_of(path, key=True) + 1)


def _parts(body: str, first: int) -> Iterator[_Part]:
    role, begun, held = ROLES[0], first, list[str]()
    for number, line in enumerate([*body.split("\n"), f"[{ROLES[0]}]"], start=first):
        mark = _MARK.fullmatch(line)
        if mark is None:
            held.append(line)
            continue
        text = "\n".join(held)
        if text.strip():
            lead = len(text) - len(text.lstrip("\n"))
            yield _Part(begun + lead, PromptMessage(role=role, content=text[lead:].rstrip()))
        role, begun, held = mark[1], number + 1, []


def _check(prompt: Prompt, part: _Part) -> None:
    """Each message by itself, so that its line is known; together they are checked once more."""
    try:
        compile_prompt(msgspec.structs.replace(prompt, messages=(part.message,)))
    except PromptError as error:
        line = part.line + max(error.line, 1) - 1
        raise PromptError(error.message, hint=error.hint, line=line) from None


def _final(prompt: Prompt) -> Prompt:
    texts = compile_prompt(prompt)({})
    messages = tuple(PromptMessage(**message) for message in messages_of(prompt, texts))
    if not messages:
        raise PromptError("says nothing", hint="write what the model shall be told")
    return msgspec.structs.replace(prompt, messages=messages)
