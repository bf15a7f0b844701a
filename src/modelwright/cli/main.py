"""The front of the command line: a table of verbs, each imported only when it is used; it does nothing itself."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from modelwright.cli.errors import report
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError


class Verb(NamedTuple):
    """One row: where a command lives, and what `--help` says of it."""

    name: str
    module: str
    attribute: str
    """A function, or a Typer with verbs of its own."""
    help: str


VERBS: tuple[Verb, ...] = (
    Verb("up", "modelwright.cli.up", "up", "Run everything that the manifest names."),
    Verb("status", "modelwright.cli.status", "status", "Tell what runs, since when and how busy it is."),
    Verb("check", "modelwright.cli.check", "check", "Find every fault of a manifest; --write mends misspelt keys."),
    Verb("explain", "modelwright.cli.explain", "explain", "Tell which variant of an endpoint answers, and why."),
    Verb("bench", "modelwright.cli.bench", "bench", "Measure an endpoint under load: throughput, latencies, cost."),
    Verb("package", "modelwright.cli.package", "package", "Build the images of what the manifest names."),
    Verb("plan", "modelwright.cli.plan", "plan", "Show what a deploy would change, before it does anything."),
    Verb("deploy", "modelwright.cli.deploy", "deploy", "Make an environment what the manifest says."),
    Verb("resume", "modelwright.cli.deciding", "resume", "Go on with a deploy that was cut off."),
    Verb("abort", "modelwright.cli.deciding", "abort", "Undo a deploy that has not ended, or end a trial."),
    Verb("promote", "modelwright.cli.deciding", "promote", "Give all traffic to the release on trial."),
    Verb("rollback", "modelwright.cli.rollback", "rollback", "Go back to an earlier release."),
    Verb("releases", "modelwright.cli.releases", "releases", "Tell what serves, what served, and who decided so."),
    Verb("models", "modelwright.cli.models", "app", "Keep versions of models; see which are loaded."),
    Verb("prompts", "modelwright.cli.prompts", "app", "Look at versions of prompts and move aliases."),
    Verb("variants", "modelwright.cli.variants", "app", "Compare variants and shift traffic between them."),
    Verb("tasks", "modelwright.cli.tasks", "app", "List, show and cancel tasks, whoever has left them."),
    Verb("prices", "modelwright.cli.prices", "prices", "Tell what every variant costs, and where its price stands."),
    Verb(
        "render",
        "modelwright.cli.render",
        "app",
        "Write for others' tools: pipelines, edges, Compose, firewalls.",
    ),
    Verb("keys", "modelwright.cli.keys", "app", "Create, rotate, list and revoke API keys."),
    Verb("database", "modelwright.cli.database", "app", "Take the state of a file into PostgreSQL."),
    Verb("backup", "modelwright.cli.backup", "backup", "Keep all state of a site or an environment in one file."),
    Verb("restore", "modelwright.cli.backup", "restore", "Put the state of a site or an environment back."),
    Verb("secrets", "modelwright.cli.secrets", "app", "Keep secrets in an encrypted file; see where each comes from."),
    Verb("schema", "modelwright.cli.schema", "schema", "Print the manifest's JSON Schema, for editors."),
    Verb(
        "dev-provider", "modelwright.cli.dev_provider", "dev_provider", "Run an upstream for tests, faults on demand."
    ),
)
_BY_NAME = {verb.name: verb for verb in VERBS}


class Verbs(TyperGroup):
    """A group whose commands are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [verb.name for verb in VERBS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        verb = _BY_NAME.get(cmd_name)
        if verb is None:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _command(verb)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb.name, verb.help) for verb in VERBS])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """An unknown verb's error suggests from the table."""
        if args and args[0] not in _BY_NAME and not args[0].startswith("-"):
            from modelwright.core.nearest import nearest

            close = nearest(args[0], _BY_NAME)
            ctx.fail(f"There is no command {args[0]!r}." + (f" Did you mean {close!r}?" if close else ""))
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Verbs, add_completion=False, no_args_is_help=True, rich_markup_mode=None)


def main() -> None:
    """Entry point of the program `modelwright`."""
    command = typer.main.get_command(app)
    try:
        _check_words(sys.argv[1:])
        command.main(prog_name="modelwright")
    except ModelwrightError as error:
        sys.exit(report(error))
    except OSError as error:  # a full disk, a folder that may not be read: no defect of ours, and no traceback
        sys.exit(report(StartError(error.strerror or str(error), hint="see to it", place=str(error.filename or ""))))


def _check_words(words: list[str]) -> None:
    """Raises StartError for an argument whose bytes are not UTF-8: it could be neither sent nor shown."""
    for number, word in enumerate(words, start=1):
        try:
            word.encode()
        except UnicodeEncodeError:
            hint = "write it in UTF-8"
            raise StartError(f"argument {number} holds bytes that are not UTF-8", hint=hint) from None


def _say_version(asked: bool) -> None:  # noqa: FBT001 - Typer's callbacks take the value alone
    if asked:
        from importlib.metadata import version

        print(f"modelwright {version('modelwright')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take AI models and LLM applications to production and keep them there."""


def _command(verb: Verb) -> Any:
    found = getattr(import_module(verb.module), verb.attribute)
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        group = typer.main.get_group(found)
        group.name = verb.name
        return group
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(verb.name)(found)
    return typer.main.get_command(single)
