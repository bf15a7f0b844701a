"""`modelwright secrets`: keep secrets in an encrypted file, and see where each of them comes from; never what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelwright.app.secret_stores.edit import Editor

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
Environment = Annotated[
    str | None, typer.Option("--env", help="Environment: development, test or production.", metavar="NAME")
]
Store = Annotated[str, typer.Option(help="Name of the store, when there are several encrypted ones.", metavar="NAME")]
Name = Annotated[str, typer.Argument(help="As in ${secret:NAME}.", metavar="NAME")]

MANIFEST = Path("modelwright.yaml")

app = typer.Typer(help="Keep secrets in an encrypted file, and see where each comes from.", no_args_is_help=True)


@app.command()
def identity(
    file: Annotated[Path, typer.Argument(help="Where it is kept; it may not exist.", metavar="FILE")],
) -> None:
    """Make what opens an encrypted file, and print its recipient, which is no secret."""
    from modelwright.app.secret_stores.edit import make_identity

    print(make_identity(file))


@app.command("set")
def set_secret(name: Name, *, store: Store = "", file: File = MANIFEST, env: Environment = None) -> None:
    """Keep a secret, whose value is asked for, or read from standard input; a running gateway uses it at once."""
    import sys

    value = sys.stdin.read() if not sys.stdin.isatty() else typer.prompt("Value", hide_input=True, err=True)
    editor = _editor(file, env, store)
    is_new = editor.set(name, value.rstrip("\r\n"))
    print(f"{'Kept' if is_new else 'Replaced'} {name} in {editor.path.name}, for {_count(len(editor.recipients))}.")


@app.command()
def remove(name: Name, *, store: Store = "", file: File = MANIFEST, env: Environment = None) -> None:
    """Forget a secret."""
    editor = _editor(file, env, store)
    editor.remove(name)
    print(f"Removed {name} from {editor.path.name}.")


@app.command()
def rekey(*, store: Store = "", file: File = MANIFEST, env: Environment = None) -> None:
    """Encrypt the file anew for the manifest's recipients; whoever is none any more still knows the old values."""
    editor = _editor(file, env, store)
    editor.rekey()
    print(f"Encrypted {editor.path.name} anew, for {_count(len(editor.recipients))}.")


@app.command("list")
def list_secrets(
    *,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Ask all stores now, and tell where each secret of the manifest comes from."""
    from modelwright.app.manifest.load import load_manifest
    from modelwright.app.secret_stores.told import told

    found = told(load_manifest(file, environment=env))
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    for secret in found:
        trouble = f" ({secret.trouble})" if secret.trouble else ""
        print(f"{secret.name}: {secret.source or 'missing'}{trouble}")
    if not found:
        print("The manifest names no secret, and no encrypted file holds one.")


def _editor(file: Path, env: str | None, store: str) -> Editor:
    from modelwright.app.manifest.load import load_manifest
    from modelwright.app.secret_stores.edit import Editor

    return Editor(load_manifest(file, environment=env), store)


def _count(recipients: int) -> str:
    return f"{recipients} {'recipient' if recipients == 1 else 'recipients'}"
