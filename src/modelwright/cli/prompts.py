"""`modelwright prompts`: versions of prompts, and the aliases that say which one is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelwright.cli.changes import tell_spread, who_asks
from modelwright.cli.versions import (
    MANIFEST,
    Alias,
    Expected,
    File,
    Json,
    Meant,
    Named,
    Why,
    print_facts,
    print_history,
    print_line,
    say,
)

if TYPE_CHECKING:
    from modelwright.app.prompts.office import PromptOffice

Name = Annotated[str, typer.Argument(help="Name of the prompt.", metavar="NAME")]
Word = Annotated[str, typer.Argument(help="A version, an alias or a digest.", metavar="VERSION")]

app = typer.Typer(help="Look at versions of prompts and move aliases.", no_args_is_help=True)


@app.command("list")
def list_prompts(*, file: File = MANIFEST, as_json: Json = False) -> None:
    """List all prompts with their versions and aliases."""
    found = _office(file).list()
    if as_json:
        print_facts(found)
        return
    for line in found:
        print_line(line["name"], line["versions"], line["aliases"])


@app.command()
def show(name: Name, version: Word, *, file: File = MANIFEST, as_json: Json = False) -> None:
    """Print a version's file."""
    found = _office(file).show(name, version)
    if as_json:
        print_facts(found)
        return
    say(found["source"].removesuffix("\n"))


@app.command()
def push(
    name: Name,
    version: Named,
    source: Annotated[Path, typer.Argument(help="Its file.", metavar="FILE", exists=True, dir_okay=False)],
    *,
    why: Why,
    file: File = MANIFEST,
    as_json: Json = False,
) -> None:
    """Register a version; it is used as soon as an alias means it."""
    found = _office(file).push(name, version, source=source.read_text("utf-8"), why=why)
    if as_json:
        print_facts(found)
        return
    print(f"{name}@{version} is registered ({found['versions'][version]}).")


@app.command()
def alias(
    name: Name,
    word: Alias,
    version: Meant,
    *,
    why: Why,
    expect: Expected = None,
    file: File = MANIFEST,
    as_json: Json = False,
) -> None:
    """Let an alias mean a version, on every gateway worker within seconds."""
    import msgspec

    from modelwright.app.supervise.control import Spread

    found = _office(file).alias(name, word, version=version, expect=expect, why=why)
    if as_json:
        print_facts(found)
        return
    print(f"{name}@{word} is {version}.")
    tell_spread(None if found["spread"] is None else msgspec.convert(found["spread"], Spread))


@app.command()
def history(name: Name, *, file: File = MANIFEST, as_json: Json = False) -> None:
    """Tell who registered or moved what, when and why; the oldest first."""
    import msgspec

    from modelwright.core.ports.registry import Entry

    found = _office(file).history(name)
    if as_json:
        print_facts(found)
        return
    print_history(msgspec.convert(found, list[Entry]))


@app.command()
def diff(
    name: Name,
    old: Annotated[str, typer.Argument(help="A version, an alias or a digest.", metavar="OLD")],
    new: Annotated[str, typer.Argument(help="Another one.", metavar="NEW")],
    *,
    file: File = MANIFEST,
    as_json: Json = False,
) -> None:
    """Show what differs between two versions."""
    from difflib import unified_diff

    office = _office(file)
    one, other = office.show(name, old), office.show(name, new)
    before, after = (f"{name}@{found['version']}" for found in (one, other))
    lines = list(unified_diff(one["source"].splitlines(), other["source"].splitlines(), before, after, lineterm=""))
    if as_json:
        print_facts({"old": one["digest"], "new": other["digest"], "diff": lines})
        return
    for line in lines:
        say(line)


@app.command()
def render(
    name: Name,
    version: Word,
    values: Annotated[list[str] | None, typer.Argument(help="Such as tone=dry count=3.", metavar="VAR=VALUE")] = None,
    *,
    file: File = MANIFEST,
    as_json: Json = False,
) -> None:
    """Print the messages that a call with these values would get; values are JSON, or text as it is."""
    messages = _office(file).render(name, version, variables=_variables(values or []))
    if as_json:
        print_facts(messages)
        return
    for message in messages:
        say(f"[{message['role']}]\n{message['content']}\n")


def _office(file: Path) -> PromptOffice:
    from modelwright.app.prompts.office import PromptOffice
    from modelwright.app.supervise.look import state_of

    return PromptOffice(state_of(file), who=who_asks())


def _variables(given: list[str]) -> dict[str, Any]:
    import msgspec

    variables: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not VAR=VALUE, such as tone=dry", param_hint="VAR=VALUE")
        try:
            variables[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            variables[name] = value
    return variables
