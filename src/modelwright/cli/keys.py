"""`modelwright keys`: make, rotate, list and revoke API keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelwright.cli.changes import tell_spread

if TYPE_CHECKING:
    from modelwright.app.keys.office import KeyOffice
    from modelwright.app.keys.types import KeyFacts, KeyMade

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
Environment = Annotated[
    str | None,
    typer.Option("--env", help="Environment, when nothing runs: development, test or production.", metavar="NAME"),
]
Json = Annotated[bool, typer.Option("--json", help="Print facts for programs.")]

MANIFEST = Path("modelwright.yaml")
COLUMNS = ("id", "name", "tenant", "role", "endpoints", "state", "created", "expires")

app = typer.Typer(help="Make, rotate, list and revoke API keys.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Unique among the tenant's live keys.", metavar="NAME")],
    *,
    tenant: Annotated[str, typer.Option(help="Whose key it is.")] = "default",
    role: Annotated[str, typer.Option(help="client calls endpoints, admin opens the admin door.")] = "client",
    endpoint: Annotated[
        list[str] | None,
        typer.Option(help="An endpoint that it may call; may be given again. By default all.", metavar="NAME"),
    ] = None,
    expires: Annotated[str | None, typer.Option(help="Lifetime such as 12h or 30d; by default for ever.")] = None,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Make an API key and print it, this once; a running gateway knows it at once."""
    from modelwright.app.keys.types import KeyWish

    wish = KeyWish(name=name, tenant=tenant, role=role, endpoints=tuple(endpoint or ()), expires_in=expires)
    made = _office(file, env).create(wish)
    if as_json:
        print(made.model_dump_json(indent=2))
        return
    _show(made)
    tell_spread(made.spread)


@app.command()
def rotate(
    key: Annotated[str, typer.Argument(help="Id or name.", metavar="ID_OR_NAME")],
    *,
    overlap: Annotated[str, typer.Option(help="How long the old key goes on working; 0s ends it at once.")] = "24h",
    expires: Annotated[
        str | None, typer.Option(help="Lifetime of the new key; by default as long as the old one was made for.")
    ] = None,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Replace a key by a new one with the same rights and print that, this once; both work for the overlap."""
    from modelwright.app.keys.types import RotationWish

    made = _office(file, env).rotate(key, RotationWish(overlap=overlap, expires_in=expires))
    if as_json:
        print(made.model_dump_json(indent=2))
        return
    _show(made)
    print(f"The old key, {made.replaces.id}, works until {_time(made.replaces.expires)}.")
    tell_spread(made.spread)


@app.command("list")
def list_keys(*, file: File = MANIFEST, env: Environment = None, as_json: Json = False) -> None:
    """List all keys, the newest first; a key itself is never shown."""
    found = _office(file, env).list()
    if as_json:
        import msgspec

        facts = msgspec.json.encode([key.model_dump() for key in found])
        print(msgspec.json.format(facts, indent=2).decode())
        return
    if not found:
        print("There are no keys; make one: modelwright keys create NAME")
        return
    from rich.table import Table

    from modelwright.cli.status import WIDE, console_for

    table = Table(*COLUMNS, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for key in found:
        table.add_row(
            key.id,
            key.name,
            key.tenant,
            key.role,
            ", ".join(key.endpoints) or ("all" if key.role == "client" else "none"),
            f"rotated to {key.successor}" if key.successor and key.state == "live" else key.state,
            _time(key.created),
            _time(key.expires) or "never",
        )
    console_for(WIDE).print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Id or name.", metavar="ID_OR_NAME")],
    *,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Revoke a key; a running gateway refuses it at once."""
    revoked = _office(file, env).revoke(key)
    if as_json:
        print(revoked.model_dump_json(indent=2))
        return
    print(f"Revoked key {revoked.name}: id {revoked.id}, tenant {revoked.tenant}.")
    tell_spread(revoked.spread, "still takes it")


def _office(file: Path, env: str | None) -> KeyOffice:
    from modelwright.app.keys.office import KeyOffice
    from modelwright.app.settings.settings import chosen_environment, process_environment
    from modelwright.app.supervise.look import state_of
    from modelwright.core.errors.starting import StartError

    if not file.is_file():
        raise StartError(f"there is no manifest {file}", hint="go to its folder, or name it: -f FILE")
    environment = chosen_environment(env, process_environment())
    return KeyOffice(state_of(file), manifest=file, environment=environment)


def _show(made: KeyMade) -> None:
    """The key, this once, and what it may do."""
    scope = f", endpoints {', '.join(made.endpoints)}" if made.endpoints else ""
    print(f"{made.key}\n")
    print(f"Key {made.name}: id {made.id}, tenant {made.tenant}, role {made.role}{scope}, {_lifetime(made)}.")
    print("It is shown this once and stored nowhere: keep it safe.")


def _lifetime(key: KeyFacts) -> str:
    return f"expires {_time(key.expires)}" if key.expires else "does not expire"


def _time(at: float | None) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC") if at is not None else ""
