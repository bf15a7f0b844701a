"""Prompts in a small part of Jinja, checked before it is compiled: values, conditions, plain loops, a few filters.

What is not on the lists below is refused: no attribute, no call, no assignment, no macro, no import, no arithmetic, no
loop in a loop. The sandbox stands behind that. How long a template can run is known from its text and the variables'
lengths, so nothing has to be stopped while it runs; how much it writes is bounded as it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from modelwright.core.contracts.snapshot import Prompt, PromptMessage
from modelwright.core.errors.calls import Malformed, PromptFailed
from modelwright.core.errors.prompts import PromptError
from modelwright.core.nearest import nearest
from modelwright.core.prompting.language import Render
from modelwright.core.prompting.variables import FIELD, MAX_ITEM, label

MAX_SOURCE = 64 << 10
"""Characters of one message's template."""
MAX_TEXT = 256 << 10
"""Characters that all messages of a prompt may come to."""
MAX_STEPS = 20_000
"""Of a rendering at worst: a node of the template, or a pass over 1,024 characters of a value."""
MAX_DEPTH = 4
"""Filters one upon the other."""
_PASSES = 2
"""Over a value, at most, wherever it stands: it is written, or compared; one more for each filter."""
_CONSTANT = 200
"""Characters of a filter's argument."""
_LOOP = frozenset({"index", "index0", "first", "last", "length"})
_TESTS = frozenset({"defined", "none", "string", "number", "integer", "boolean", "true", "false", "in"})
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Getattr: "an attribute",
    nodes.Call: "a call",
    nodes.Assign: "`set`",
    nodes.AssignBlock: "`set`",
    nodes.Macro: "a macro",
    nodes.Import: "an import",
    nodes.FromImport: "an import",
    nodes.Include: "an include",
    nodes.Extends: "`extends`",
    nodes.Block: "a block",
}
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
    nodes.Test,
)


def compile_prompt(prompt: Prompt) -> Render:
    """Raises PromptError; its line is the one within the message."""
    environment = _environment()
    sizes = {variable.name: variable.max_length if variable.type == "string" else 0 for variable in prompt.variables}
    lists = {variable.name: variable.max_length for variable in prompt.variables if variable.type == "list"}
    templates = [_template(environment, message, sizes=sizes, lists=lists) for message in prompt.messages]
    name = label(prompt)

    def render(values: Mapping[str, Any]) -> list[str]:
        room = MAX_TEXT
        texts: list[str] = []
        for template in templates:
            text = _written(template, values, room=room, name=name)
            room -= len(text)
            texts.append(text)
        return texts

    return render


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals.clear()
    known = environment.filters
    kept = ("trim", "upper", "lower", "capitalize", "length", "count", "default", "first", "last", "round")
    environment.filters = {name: known[name] for name in kept} | {"join": _join, "tojson": _to_json}
    environment.tests = {name: test for name, test in environment.tests.items() if name in _TESTS}
    return environment


def _template(
    environment: ImmutableSandboxedEnvironment,
    message: PromptMessage,
    *,
    sizes: Mapping[str, int],
    lists: Mapping[str, int],
) -> Template:
    if len(message.content) > MAX_SOURCE:
        raise PromptError(f"a message is longer than {MAX_SOURCE} characters", hint="shorten it")
    try:
        tree = environment.parse(message.content)
        _Check(environment, sizes=sizes, lists=lists).run(tree)
        code = environment.compile(tree)
    except TemplateSyntaxError as error:
        problem = f"is no template: {error.message}"
        raise PromptError(problem, hint="a plain {{ is written {% raw %}{{{% endraw %}", line=error.lineno) from None
    except (RecursionError, ValueError, MemoryError) as error:
        raise PromptError("the template is nested too deeply or holds too long a number", hint="flatten it") from error
    return Template.from_code(environment, code, environment.make_globals(None))


def _written(template: Template, values: Mapping[str, Any], *, room: int, name: str) -> str:
    pieces: list[str] = []
    try:
        for piece in template.generate(values):
            room -= len(piece)
            if room < 0:
                raise Malformed(
                    f"prompt {name} comes to more than {MAX_TEXT} characters", hint="send shorter values", param=FIELD
                )
            pieces.append(piece)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise PromptFailed(f"prompt {name} cannot be filled in: {error}", hint="its template must be mended") from error
    return "".join(pieces)


class _Check:
    """Walks a template once; every place that may stand in it is on a list."""

    def __init__(
        self, environment: ImmutableSandboxedEnvironment, *, sizes: Mapping[str, int], lists: Mapping[str, int]
    ) -> None:
        self._environment = environment
        self._sizes = {**sizes, **{name: items * MAX_ITEM for name, items in lists.items()}}
        self._lists = lists
        self._names = {*sizes}
        self._steps = 0
        self._passes = _PASSES
        self._special: dict[type[nodes.Node], Callable[[Any, int], None]] = {
            nodes.For: self._loop,
            nodes.Filter: self._filter,
            nodes.Test: self._test,
            nodes.Name: self._name,
            nodes.Getattr: self._attribute,
            nodes.Getitem: self._item,
        }

    def run(self, tree: nodes.Template) -> None:
        """Raises PromptError."""
        self._visit(tree, 1)

    def _visit(self, node: nodes.Node, times: int) -> None:
        self._charge(node, times)
        special = self._special.get(type(node))
        if special is not None:
            special(node, times)
            return
        if not isinstance(node, _ALLOWED):
            raise _refused(node)
        self._visit_all(node.iter_child_nodes(), times)

    def _visit_all(self, children: Iterable[nodes.Node], times: int) -> None:
        for child in children:
            self._visit(child, times)

    def _charge(self, node: nodes.Node, steps: int) -> None:
        self._steps += steps
        if self._steps > MAX_STEPS:
            hint = "declare smaller `max_length`s, or say less within loops"
            raise PromptError(f"may take more than {MAX_STEPS} steps", hint=hint, line=node.lineno)

    def _loop(self, node: nodes.For, times: int) -> None:
        if times > 1:
            raise PromptError("a loop in a loop", hint="keep one of them", line=node.lineno)
        if node.recursive or not isinstance(node.target, nodes.Name) or not isinstance(node.iter, nodes.Name):
            raise PromptError("a loop that is not plain", hint="write {% for item in items %}", line=node.lineno)
        if node.iter.name not in self._lists:
            hint = "declare it with `type: list`"
            raise PromptError(f"a loop over {node.iter.name!r}, which is no list", hint=hint, line=node.lineno)
        item, before, sizes = node.target.name, self._names, self._sizes
        if item in before:
            raise PromptError(f"a loop's {item!r} hides the variable", hint="call it otherwise", line=node.lineno)
        self._names, self._sizes = before | {item}, {**sizes, item: MAX_ITEM}
        within = [*node.body, *([node.test] if node.test is not None else [])]
        self._visit_all(within, max(2, self._lists[node.iter.name]))
        self._names, self._sizes = before, sizes
        self._visit_all(node.else_, times)

    def _filter(self, node: nodes.Filter, times: int) -> None:
        self._known(node.name, self._environment.filters, what="filter", line=node.lineno)
        _plain_arguments(node)
        inner, depth = node.node, 1
        while isinstance(inner, nodes.Filter):
            inner, depth = inner.node, depth + 1
        if depth > MAX_DEPTH or node.node is None:
            raise PromptError("too many filters", hint=f"at most {MAX_DEPTH} one upon the other", line=node.lineno)
        self._passes += 1
        self._visit(node.node, times)
        self._passes -= 1

    def _test(self, node: nodes.Test, times: int) -> None:
        self._known(node.name, self._environment.tests, what="test", line=node.lineno)
        _plain_arguments(node)
        self._visit(node.node, times)

    def _name(self, node: nodes.Name, times: int) -> None:
        if node.name not in self._names:
            close = nearest(node.name, self._names)
            hint = f"did you mean {close}?" if close else "declare it under `variables`"
            raise PromptError(f"there is no variable {node.name!r}", hint=hint, line=node.lineno)
        self._charge(node, times * self._passes * (self._sizes.get(node.name, 0) >> 10))

    def _attribute(self, node: nodes.Getattr, times: int) -> None:
        """Only what a loop tells of itself."""
        if times == 1 or not isinstance(node.node, nodes.Name) or node.node.name != "loop" or node.attr not in _LOOP:
            raise _refused(node)

    def _item(self, node: nodes.Getitem, times: int) -> None:
        """Only the item of this number."""
        number = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if not isinstance(node.node, nodes.Name) or type(number) is not int or node.node.name not in self._lists:
            raise PromptError("an item by anything but a number", hint="write such as items[0]", line=node.lineno)
        self._visit(node.node, times)

    @staticmethod
    def _known(name: str, known: Mapping[str, Any], *, what: str, line: int) -> None:
        if name not in known:
            hint = f"known: {', '.join(sorted(known))}"
            raise PromptError(f"there is no {what} {name!r} in prompts", hint=hint, line=line)


def _plain_arguments(node: nodes.Filter | nodes.Test) -> None:
    values = [*node.args, *(pair.value for pair in node.kwargs)]
    plain = all(isinstance(value, nodes.Const) and len(str(value.value)) <= _CONSTANT for value in values)
    if not plain or node.dyn_args is not None or node.dyn_kwargs is not None:
        hint = f"write a number or a text of at most {_CONSTANT} characters"
        raise PromptError(f"an argument of {node.name!r} is not plain", hint=hint, line=node.lineno)


def _refused(node: nodes.Node) -> PromptError:
    what = _WORDS.get(type(node), f"{type(node).__name__.lower()!r}")
    hint = "prompts hold values, conditions, plain loops and filters"
    return PromptError(f"{what} cannot stand in a prompt", hint=hint, line=node.lineno)


def _join(value: Any, separator: str = "") -> str:
    if not isinstance(value, list):
        raise TypeError("join takes a list")
    return str(separator).join(map(str, value))


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
