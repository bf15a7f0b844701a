"""`modelwright models`: which models are loaded now, and loading and unloading them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelwright.app.repository.office import RepositoryOffice
    from modelwright.app.supervise.fleet.talk import Loaded

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
Json = Annotated[bool, typer.Option("--json", help="Print facts for programs.")]
Name = Annotated[str, typer.Argument(help="Name of the model, or one version of it.", metavar="NAME[@VERSION]")]

MANIFEST = Path("modelwright.yaml")

app = typer.Typer(help="See which models are loaded; load and unload them.", no_args_is_help=True)


@app.command()
def loaded(*, file: File = MANIFEST, as_json: Json = False) -> None:
    """List every version of every model, and whether it can be asked."""
    _tell(_office(file).index(), as_json=as_json)


@app.command()
def load(name: Name, *, file: File = MANIFEST, as_json: Json = False) -> None:
    """Load a model that was unloaded, and wait until it answers."""
    _tell(_office(file).load(name), as_json=as_json)


@app.command()
def unload(name: Name, *, file: File = MANIFEST, as_json: Json = False) -> None:
    """Send a model no more calls; after its last one its memory is free, until it is loaded again."""
    _tell(_office(file).unload(name), as_json=as_json)


def _office(file: Path) -> RepositoryOffice:
    from modelwright.app.repository.office import RepositoryOffice
    from modelwright.app.supervise.look import state_of

    return RepositoryOffice(state_of(file))


def _tell(models: list[Loaded], *, as_json: bool) -> None:
    import msgspec

    if as_json:
        print(msgspec.json.encode(models).decode())
        return
    for model in models:
        reason = f"  {model.reason}" if model.reason else ""
        print(f"{model.name}  {model.version}  {model.state.lower()}{reason}")
