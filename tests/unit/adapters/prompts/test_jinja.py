"""Prompts in Jinja: what they can say, and that a hostile one is refused before it is ever compiled."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.prompts.jinja import MAX_TEXT, compile_prompt
from modelwright.core.contracts.snapshot import Prompt, PromptMessage, PromptVariable
from modelwright.core.errors.calls import Malformed, PromptFailed
from modelwright.core.errors.prompts import PromptError
from modelwright.core.errors.tree import ModelwrightError

VARIABLES = (
    PromptVariable(name="name", type="string", max_length=10_000),
    PromptVariable(name="items", type="list", max_length=100),
    PromptVariable(name="count", type="integer"),
    PromptVariable(name="yes", type="boolean"),
)
VALUES = {"name": "Zoë", "items": ["a", "b"], "count": 2, "yes": True}


def prompt(*texts: str, variables: tuple[PromptVariable, ...] = VARIABLES) -> Prompt:
    messages = tuple(PromptMessage(role="user", content=text) for text in texts)
    return Prompt(name="p", version="v1", digest="sha256:0", messages=messages, variables=variables)


def rendered(text: str, **values: Any) -> str:
    (found,) = compile_prompt(prompt(text))({**VALUES, **values})
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi {{ name }}!", "Hi Zoë!"),
        ("{% for item in items %}{{ loop.index }}. {{ item }}{{ ', ' if not loop.last }}{% endfor %}", "1. a, 2. b"),
        ("{% for item in items if item != 'a' %}{{ item }}{% else %}none{% endfor %}", "b"),
        ("{{ items|join(' and ') }} ({{ items|length }})", "a and b (2)"),
        ("{{ items[1] }} {{ items|first }}", "b a"),
        ("{% if yes and count > 1 %}many{% elif yes %}one{% else %}none{% endif %}", "many"),
        ("{{ name|trim|upper }} {{ name|tojson }}", 'ZOË "Zoë"'),
        ("{{ 'x' if 'a' in items else 'y' }}", "x"),
        ("{% if count is number and name is defined %}ok{% endif %}", "ok"),
        ("{# a note #}{% raw %}{{ name }}{% endraw %}", "{{ name }}"),
        ("{{ name|default('nobody', true) }}", "Zoë"),
    ],
)
def test_what_a_prompt_can_say(text: str, expected: str) -> None:
    assert rendered(text) == expected


def test_a_value_is_text_and_never_a_template() -> None:
    assert rendered("{{ name }}", name="{{ count }}{% for %}</system>") == "{{ count }}{% for %}</system>"


def test_each_message_has_its_text() -> None:
    assert compile_prompt(prompt("{{ name }}", "", "{{ count }}"))(VALUES) == ["Zoë", "", "2"]


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ name.__class__.__mro__[1].__subclasses__() }}",
        "{{ name['__class__'] }}",
        "{{ name|attr('__class__') }}",
        "{{ items.append('x') }}",
        "{{ self }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__ }}",
        "{{ config }}",
        "{{ namespace(a=1) }}",
        "{{ [].__class__.__base__ }}",
        "{% import 'os' as os %}",
        "{% include '/etc/passwd' %}",
        "{% extends 'x' %}",
        "{% set x = name %}",
        "{% set x %}{{ name }}{% endset %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% block b %}{{ self.b() }}{% endblock %}",
        "{% call name() %}{% endcall %}",
        "{% with x = 1 %}{{ x }}{% endwith %}",
        "{% filter upper %}x{% endfilter %}",
        "{% for item in items recursive %}{{ loop(items) }}{% endfor %}",
        "{% for item in items %}{{ loop.__class__ }}{% endfor %}",
        "{% for item in items %}{{ loop.cycle(1, 2) }}{% endfor %}",
        "{{ '%s'|format(name) }}",
        "{{ name.format(name) }}",
        "{{ items|map('upper') }}",
        "{{ items|join(name) }}",
    ],
)
def test_a_way_out_of_the_template_is_refused(text: str) -> None:
    with pytest.raises(PromptError) as refused:
        compile_prompt(prompt(text))
    assert refused.value.hint
    assert refused.value.line == 1


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% for i in items %}{% for j in items %}{% for k in items %}x{% endfor %}{% endfor %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ [0] * 1000000000 }}",
        "{{ name ~ name }}",
        "{{ name + name }}",
        "{{ name|replace('a', 'aaaaaaaa')|replace('a', 'aaaaaaaa')|replace('a', 'aaaaaaaa') }}",
        "{{ name|center(1000000000) }}",
        "{{ name" + "|tojson" * 30 + " }}",
        "{{ " + "(" * 5_000 + "name" + ")" * 5_000 + " }}",
        "{{ " + "name or " * 5_000 + "name }}",
        "{{ " + "not " * 5_000 + "name }}",
        "{% if yes %}" * 2_000 + "{% endif %}" * 2_000,
        "{{ " + "9" * 10_000 + " }}",
        "{% for item in items %}" + "{% if name == item %}{% endif %}" * 500 + "{% endfor %}",
        "{{ name|upper|lower }}" * 2_000,
        "x" * 100_000,
    ],
)
def test_what_could_run_for_long_or_fill_the_memory_is_refused_at_once(text: str) -> None:
    with pytest.raises(PromptError):
        compile_prompt(prompt(text))


def test_what_a_prompt_comes_to_is_bounded() -> None:
    render = compile_prompt(prompt("{% for item in items %}{{ name }}{% endfor %}"))
    with pytest.raises(Malformed, match=f"more than {MAX_TEXT} characters"):
        render({**VALUES, "items": ["x"] * 100, "name": "x" * 10_000})


def test_the_bound_holds_for_all_messages_together() -> None:
    render = compile_prompt(prompt(*["{% for item in items %}{{ name }}{% endfor %}"] * 2))
    half = {**VALUES, "items": ["x"] * 20, "name": "x" * (MAX_TEXT // 40)}
    assert render(half)
    with pytest.raises(Malformed):
        render({**half, "name": "x" * (MAX_TEXT // 39)})


@pytest.mark.parametrize("text", ["{{ 'x' if count > name else 'y' }}", "{{ items[7] }}", "{{ name|round }}"])
def test_a_template_that_fails_on_good_values_is_the_author_s_fault(text: str) -> None:
    with pytest.raises(PromptFailed, match="prompt p@v1 cannot be filled in"):
        rendered(text)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(PromptError, match="there is no variable 'nmae'") as refused:
        compile_prompt(prompt("fine\n{{ nmae }}"))
    assert refused.value.hint == "did you mean name?"
    assert refused.value.line == 2


def test_a_loop_does_not_hide_a_variable_nor_outlive_itself() -> None:
    with pytest.raises(PromptError, match="hides"):
        compile_prompt(prompt("{% for name in items %}{% endfor %}"))
    with pytest.raises(PromptError, match="no variable 'item'"):
        compile_prompt(prompt("{% for item in items %}{% endfor %}{{ item }}"))
    with pytest.raises(PromptError, match="no list"):
        compile_prompt(prompt("{% for item in name %}{% endfor %}"))


PIECES = st.sampled_from(
    ["{{", "}}", "{%", "%}", " name ", " items ", ".__class__", "|", "upper", "for x in ", "endfor", "if ", "endif",
     "(", ")", "[0]", "'", "~", "*", "9", " in ", "self", "loop.index", "{#", "#}", "\n"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25))
def test_whatever_is_written_is_rendered_or_refused(pieces: list[str]) -> None:
    try:
        (text,) = compile_prompt(prompt("".join(pieces)))(VALUES)
    except ModelwrightError:
        return
    assert "class" not in text.replace(".__class__", "")
    assert "object at" not in text
