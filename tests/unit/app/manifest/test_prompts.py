"""Prompts in the manifest: their folders are read, and what a variant names is there."""

from pathlib import Path

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from tests.unit.app.manifest.conftest import Write

SUPPORT = "prompts: {support: {source: ./prompts/support, aliases: {live: v2}}}\n"
CHAT = "models: {chat: {source: ./chat.gguf}}\n"


def endpoint(prompt: str, *, serve: str = "chat") -> str:
    return f"endpoints: {{e: {{variants: {{v: {{serve: {serve}, prompt: {prompt}}}}}}}}}\n"


def faults(path: Path) -> list[tuple[str, str, str]]:
    return [(fault.key, fault.problem, fault.remedy) for fault in check_manifest(path, env={}).faults]


@pytest.mark.parametrize("reference", ["support@v1", "support@v2", "support@live"])
def test_a_variant_names_a_version_or_an_alias(write: Write, reference: str) -> None:
    loaded = load_manifest(write(CHAT + SUPPORT + endpoint(reference)), env={})
    assert [prompt.version for prompt in loaded.prompts] == ["v1", "v2"]
    assert loaded.operations == {"e": ("chat", "messages", "responses")}


def test_every_file_of_a_prompt_is_watched(write: Write) -> None:
    path = write(CHAT + SUPPORT + endpoint("support@v1"))
    folder = path.parent / "prompts" / "support"
    assert {folder, folder / "v1.md", folder / "v2.md"} <= set(load_manifest(path, env={}).files)


@pytest.mark.parametrize(
    ("reference", "problem", "remedy"),
    [
        ("support", "'support' names no version", "write `name@version` or `name@alias`, such as support@v1"),
        ("suport@v1", "there is no 'suport' under `prompts`", "did you mean support?"),
        ("support@v3", "the prompt support has no version and no alias 'v3'", "known: v1, v2, live"),
        ("support@champion", "the prompt support has no version and no alias 'champion'", "known: v1, v2, live"),
    ],
)
def test_a_reference_that_leads_nowhere(write: Write, reference: str, problem: str, remedy: str) -> None:
    found = faults(write(CHAT + SUPPORT + endpoint(reference)))
    assert found == [("endpoints.e.variants.v.prompt", problem, remedy)]


def test_a_prompt_needs_messages_to_go_before(write: Write) -> None:
    tensors = "models: {digits: {source: ./digits.onnx}}\n"
    found = faults(write(tensors + SUPPORT + endpoint("support@v1", serve="digits")))
    assert (
        "endpoints.e.variants.v.prompt",
        "a prompt goes before messages, and this variant answers infer, predict",
        "remove it",
    ) in found


@pytest.mark.parametrize(
    ("aliases", "key", "problem"),
    [
        ("{live: v9}", "live", "the prompt support has no version and no alias 'v9'"),
        ("{v1: v2}", "v1", "'v1' is a version"),
    ],
)
def test_an_alias_starts_at_a_version(write: Write, aliases: str, key: str, problem: str) -> None:
    text = f"{CHAT}prompts: {{support: {{source: ./prompts/support, aliases: {aliases}}}}}\n"
    ((found, told, _),) = faults(write(text))
    assert (found, told) == (f"prompts.support.aliases.{key}", problem)


def test_every_bad_file_is_told_at_once_with_its_line(write: Write) -> None:
    path = write(CHAT + SUPPORT)
    folder = path.parent / "prompts" / "support"
    (folder / "v3.md").write_text("fine\n\n{{ ''.__class__ }}\n")
    (folder / "v4.md").write_text("")
    (folder / "notes.md").write_text("x")
    (folder / ".hidden.md").write_text("x")
    (folder / "picture.png").write_bytes(b"x")
    told = [problem for _, problem, _ in faults(path)]
    assert told == [
        "'./prompts/support' holds notes.md, which is no version",
        "'./prompts/support' v3.md, line 3: an attribute cannot stand in a prompt",
        "'./prompts/support' v4.md: says nothing",
    ]


@pytest.mark.parametrize(("source", "problem"), [("./nowhere", "does not exist"), ("./chat.gguf", "is no folder")])
def test_a_folder_that_cannot_be_read(write: Write, source: str, problem: str) -> None:
    ((key, told, _),) = faults(write(f"{CHAT}prompts: {{support: {{source: {source}}}}}\n"))
    assert (key, told) == ("prompts.support.source", f"{source!r} {problem}")


def test_versions_are_in_the_order_of_their_numbers(write: Write) -> None:
    path = write(CHAT + SUPPORT)
    for number in (10, 9):
        (path.parent / "prompts" / "support" / f"v{number}.md").write_text("x")
    assert [prompt.version for prompt in load_manifest(path, env={}).prompts] == ["v1", "v2", "v9", "v10"]
