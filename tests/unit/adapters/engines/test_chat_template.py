"""Chat templates: transformers' rendering rules, the sandbox, the bounds, and clear refusals."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.engines import chat_template
from modelwright.adapters.engines.chat_template import ChatTemplate
from modelwright.core.errors.calls import Malformed
from modelwright.core.errors.starting import BadModelFile

USER = [{"role": "user", "content": "Hi <b> & 你好"}]
CHATML = (
    "{% for message in messages %}\n"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\n"
    "{% endfor %}\n"
    "    {% if add_generation_prompt %}\n"
    "{{ '<|im_start|>assistant\\n' }}\n"
    "{% endif %}\n"
)


def template(source: str) -> ChatTemplate:
    """A template with two special tokens and a clock that stands still."""
    special = {"bos_token": "<s>", "eos_token": "</s>"}
    return ChatTemplate(source, place="m.gguf", special_tokens=special, now=lambda: datetime(2026, 2, 3, tzinfo=UTC))


def test_blocks_leave_no_blanks_and_texts_are_not_escaped() -> None:
    expected = "<|im_start|>user\nHi <b> & 你好<|im_end|>\n\n<|im_start|>assistant\n\n"
    assert template(CHATML).render(USER) == expected


def test_the_generation_prompt_may_be_left_out() -> None:
    assert not template(CHATML).render(USER, add_generation_prompt=False).endswith("assistant\n\n")


def test_special_tokens_date_json_and_loop_controls_are_there() -> None:
    source = (
        "{{ bos_token }}{{ strftime_now('%d %b %Y') }}{{ messages[0] | tojson }}"
        "{% for i in range(5) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}"
        "{{ tools is none }}{{ eos_token }}"
    )
    expected = '<s>03 Feb 2026{"role": "user", "content": "Hi <b> & 你好"}01True</s>'
    assert template(source).render(USER) == expected


def test_tojson_takes_indent_and_tools_reach_the_template() -> None:
    assert (
        template("{{ tools | tojson(indent=1) }}").render(USER, tools=[{"name": "f"}]) == '[\n {\n  "name": "f"\n }\n]'
    )


def test_generation_blocks_are_accepted() -> None:
    source = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
    assert template(source).render(USER) == "Hi <b> & 你好"


def test_a_refusal_carries_the_templates_words() -> None:
    with pytest.raises(Malformed, match="refuses them: no system role") as caught:
        template("{{ raise_exception('no system role') }}").render(USER)
    assert caught.value.param == "messages"
    assert caught.value.hint


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[9].content }}",
        "{{ messages + 1 }}",
        "{{ 'a' * 999999999 }}",
        "{{ 999999999 * 'a' }}",
        "{{ [0] * 999999999 }}",
        "{{ 9 ** 999999999 }}",
        "{% for i in range(99999999) %}{% endfor %}",
        "{% for i in range(9999) %}{{ 'a' * 9999 }}{% endfor %}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__ }}{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% include 'other' %}",
    ],
)
def test_a_template_that_fails_or_goes_too_far_is_a_refusal(source: str) -> None:
    with pytest.raises(Malformed, match=r"chat template fails on them|would pass"):
        template(source).render(USER)


def test_ordinary_products_work() -> None:
    assert template("{{ '=' * 3 }}{{ 2 * 3 }}").render(USER) == "===6"


def test_a_template_that_is_not_jinja_is_a_bad_model_file() -> None:
    with pytest.raises(BadModelFile, match="line 2: ") as caught:
        template("{{ a }}\n{% for %}")
    assert caught.value.place == "m.gguf"


def test_a_template_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadModelFile, match="the limit is"):
        template("x" * (chat_template.MAX_SOURCE + 1))


def test_messages_stay_as_they_were() -> None:
    messages = [{"role": "user", "content": "a"}]
    with pytest.raises(Malformed):
        template("{{ messages[0].update({'content': 'b'}) }}").render(messages)
    assert messages == [{"role": "user", "content": "a"}]


@given(text=st.text(max_size=50))
def test_any_text_passes_unchanged(text: str) -> None:
    assert template("[{{ messages[0].content }}]").render([{"role": "user", "content": text}]) == f"[{text}]"
