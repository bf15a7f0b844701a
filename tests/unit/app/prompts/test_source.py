import pytest

from modelwright.app.prompts.source import MAX_BYTES, read_prompt
from modelwright.core.contracts.snapshot import Prompt, PromptMessage, PromptVariable
from modelwright.core.errors.prompts import PromptError


def read(text: str) -> Prompt:
    return read_prompt(text.encode(), name="support", version="v1")


def variables(lines: str, body: str = "Hi") -> Prompt:
    return read(f"---\nvariables:\n  x: {lines}\n---\n{body}\n")


def roles(prompt: Prompt) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt.messages]


def test_a_plain_text_is_the_system_s_message() -> None:
    prompt = read("\n# Rules\n\nBe brief.\n\n")
    assert prompt.messages == (PromptMessage(role="system", content="# Rules\n\nBe brief."),)
    assert prompt.variables == ()
    assert prompt.digest.startswith("sha256:")


def test_marks_begin_messages() -> None:
    prompt = read("One.\n[user]\nTwo\n\n[assistant]  \n\nThree\n [user]\n[user] not\n[system]\nFour")
    assert roles(prompt) == [
        ("system", "One."),
        ("user", "Two"),
        ("assistant", "Three\n [user]\n[user] not"),
        ("system", "Four"),
    ]


def test_a_text_without_variables_is_final() -> None:
    assert roles(read("{# note #}Say {% raw %}{{ x }}{% endraw %}")) == [("system", "Say {{ x }}")]


def test_a_text_with_variables_stays_a_template() -> None:
    prompt = variables("{type: string, max_length: 9}", "Hi {{ x }}")
    assert roles(prompt) == [("system", "Hi {{ x }}")]
    assert prompt.variables == (PromptVariable(name="x", type="string", max_length=9),)


@pytest.mark.parametrize(
    ("lines", "required", "length"),
    [
        ("{type: string}", True, 10_000),
        ("{type: string, required: true}", True, 10_000),
        ("{type: string, default: a}", False, 10_000),
        ("{type: list, required: false, default: []}", False, 100),
        ("{type: boolean, default: false}", False, 0),
        ("{type: integer, default: 0, description: how many}", False, 0),
    ],
)
def test_a_variable_is_required_unless_it_has_a_default(lines: str, required: object, length: int) -> None:
    (found,) = variables(lines).variables
    assert (found.required, found.max_length) == (required, length)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 0, "says nothing"),
        ("{# only a note #}", 0, "says nothing"),
        ("---\nvariables: {}\nHi", 1, "the front matter does not end"),
        ("---\nvaribles: {}\n---\nHi", 2, "`varibles` is not a known key"),
        ("---\n- a\n---\nHi", 2, "a list, not keys"),
        ("---\nvariables: [\n---\nHi", 2, "not readable as YAML"),
        ("---\nvariables:\n  x: {typ: string}\n---\nHi", 3, "`typ` is not a known key"),
        ("---\nvariables:\n  x: {}\n---\nHi", 3, "`type` is missing"),
        ("---\nvariables:\n  x: {type: strin}\n---\nHi", 3, "'strin' is not known here"),
        ("---\nvariables:\n  X: {type: string}\n---\nHi", 3, "is no name of a variable"),
        ("---\nvariables:\n  x: {type: string}\n  x: {type: list}\n---\nHi", 4, "twice"),
        ("---\nvariables:\n  x: {type: integer, default: a}\n---\nHi", 3, "a `default` that is no whole number"),
        ("---\nvariables:\n  x: {type: integer, max_length: 3}\n---\nHi", 3, "but its type is integer"),
        ("---\nvariables:\n  x: {type: list, max_length: 1001}\n---\nHi", 3, "above 1000"),
        ("---\nvariables:\n  x: {type: string, required: false}\n---\nHi", 3, "has no `default`"),
        ("---\nvariables:\n  x: {type: string, required: true, default: a}\n---\nHi", 3, "and has a `default`"),
        ("---\nvariables:\n  x: {type: string}\n---\n\nHi\n[user]\n\n{{ y }}", 9, "there is no variable 'y'"),
        ("Hi\n{{ x.y }}", 2, "an attribute"),
        ("Hi\n\n{% if %}", 3, "is no template"),
        ("{% if x %}\n[user]\n{% endif %}", 1, "is no template"),
        ("\0", 1, "a NUL byte"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(PromptError) as refused:
        read(text)
    assert problem in refused.value.message
    assert refused.value.line == line
    assert refused.value.hint


def test_a_file_is_text_of_bounded_size() -> None:
    with pytest.raises(PromptError, match="UTF-8"):
        read_prompt(b"\xff", name="support", version="v1")
    with pytest.raises(PromptError, match="larger than"):
        read("x" * (MAX_BYTES + 1))


def test_too_many_variables_are_refused() -> None:
    lines = "".join(f"  x{number}: {{type: string}}\n" for number in range(51))
    with pytest.raises(PromptError, match="more than 50"):
        read(f"---\nvariables:\n{lines}---\nHi")
