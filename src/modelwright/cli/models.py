"""`modelwright models`: versions of models in the registry, and which models are loaded now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelwright.cli.changes import who_asks
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
    from modelwright.app.models.office import ModelOffice
    from modelwright.app.models.push import Told
    from modelwright.app.models.verbs import ModelVerbs
    from modelwright.app.repository.office import RepositoryOffice
    from modelwright.app.supervise.fleet.talk import Loaded

Environment = Annotated[
    str | None, typer.Option("--env", help="Environment: development, test or production.", metavar="NAME")
]
Name = Annotated[str, typer.Argument(help="Name of the model in the registry.", metavar="NAME")]
Word = Annotated[str, typer.Argument(help="A version, an alias or a document's digest.", metavar="VERSION")]
Running = Annotated[str, typer.Argument(help="Name of the model, or one version of it.", metavar="NAME[@VERSION]")]
Pairs = list[str] | None

app = typer.Typer(help="Keep versions of models; see which are loaded, load and unload them.", no_args_is_help=True)


@app.command("list")
def list_models(*, file: File = MANIFEST, env: Environment = None, as_json: Json = False) -> None:
    """List all models with their versions and aliases."""
    found = _office(file, env).list()
    if as_json:
        print_facts(found)
        return
    if not found:
        print("No model is registered yet; `modelwright models push` does it.")
    for line in found:
        print_line(line.name, line.versions, line.aliases)


@app.command()
def show(name: Name, version: Word, *, file: File = MANIFEST, env: Environment = None, as_json: Json = False) -> None:
    """Tell what a version is made of and where it came from."""
    shown = _office(file, env).show(name, version)
    if as_json:
        print_facts(shown)
        return
    from modelwright.cli.model_view import lines_of

    say("\n".join(lines_of(shown)))


@app.command()
def push(
    name: Name,
    version: Named,
    path: Annotated[Path, typer.Argument(help="Its file or folder.", metavar="PATH", exists=True)],
    *,
    why: Why,
    licence: Annotated[str, typer.Option(help="Such as Apache-2.0.")] = "",
    source: Annotated[str, typer.Option(help="Where it came from.")] = "",
    metric: Annotated[Pairs, typer.Option(help="May be given again.", metavar="NAME=NUMBER")] = None,
    tag: Annotated[Pairs, typer.Option(help="May be given again.", metavar="NAME=TEXT")] = None,
    parent: Annotated[str, typer.Option(help="What it was made of.", metavar="NAME@VERSION")] = "",
    recipe: Annotated[str, typer.Option(help="How it was made.")] = "",
    data: Annotated[str, typer.Option(help="Digest of the data.")] = "",
    machine: Annotated[str, typer.Option(help="Where it was made.")] = "",
    library: Annotated[Pairs, typer.Option(help="May be given again.", metavar="NAME=VERSION")] = None,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Register a file or folder as a version; it is used as soon as a manifest or an alias names it."""
    from modelwright.app.models.push import Told
    from modelwright.core.contracts.model import Lineage

    lineage = Lineage(
        parent=parent, recipe=recipe, data=data, machine=machine, libraries=_pairs(library, hint="--library")
    )
    told = Told(
        licence=licence,
        source=source,
        metrics=_metrics(metric),
        lineage=lineage,
        tags=_pairs(tag, hint="--tag"),
    )
    _push(name, version, path, told=told, why=why, verbs=_verbs(file, env, quiet=as_json), as_json=as_json)


def _push(name: str, version: str, path: Path, *, told: Told, why: str, verbs: ModelVerbs, as_json: bool) -> None:
    shown = verbs.push(name, version, path, told=told, why=why)
    if as_json:
        print_facts(shown)
        return
    say(f"{name}@{version} is registered ({shown.model.digest}).")


@app.command()
def alias(
    name: Name,
    word: Alias,
    version: Meant,
    *,
    why: Why,
    expect: Expected = None,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Let an alias mean a version."""
    found = _office(file, env).alias(name, word, version=version, expect=expect, why=why)
    if as_json:
        print_facts(found)
        return
    say(f"{name}@{word} is {version}.")


@app.command()
def history(name: Name, *, file: File = MANIFEST, env: Environment = None, as_json: Json = False) -> None:
    """Tell who registered, moved or removed what, when and why; the oldest first."""
    found = _office(file, env).history(name)
    if as_json:
        print_facts(found)
        return
    print_history(found)


@app.command()
def diff(
    name: Name,
    old: Annotated[str, typer.Argument(help="A version, an alias or a document's digest.", metavar="OLD")],
    new: Annotated[str, typer.Argument(help="Another one.", metavar="NEW")],
    *,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Show in what two versions differ: files, tensors, metrics and where they came from."""
    from modelwright.app.models.office import differing
    from modelwright.cli.model_view import diff_table
    from modelwright.cli.status import WIDE, console_for

    office = _office(file, env)
    one, other = office.show(name, old), office.show(name, new)
    found = differing(one.model, other.model)
    if as_json:
        rows = [{"what": what, "old": before, "new": after} for what, before, after in found]
        print_facts({"old": one.version, "new": other.version, "differences": rows})
        return
    if not found:
        print(f"{name}@{one.version} and {name}@{other.version} are the same.")
        return
    console_for(WIDE).print(diff_table(one, other))


@app.command()
def pull(
    name: Name,
    version: Word,
    *,
    to: Annotated[Path | None, typer.Option(help="Where to; by default under its own name here.")] = None,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Bring a version's file or folder here."""
    pulled = _verbs(file, env, quiet=as_json).pull(name, version, to)
    shown = pulled.shown
    if as_json:
        print_facts({"path": str(pulled.path), "version": shown.version, "digest": shown.model.digest})
        return
    say(f"{name}@{shown.version} is {pulled.path} ({shown.model.digest}).")


@app.command()
def remove(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version; no alias.", metavar="VERSION")],
    *,
    why: Why,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Take a version back, unless an alias means it or something serves it; the history keeps that it was there."""
    from modelwright.core.quantities import told_size
    from modelwright.core.words.counting import count_of

    done = _verbs(file, env, quiet=as_json).remove(name, version, why=why)
    if as_json:
        print_facts(done)
        return
    swept = done.swept
    print(f"{name}@{version} is removed.")
    if swept.dropped:
        print(f"{count_of(swept.dropped, 'file')} that no version needs: thrown away ({told_size(swept.freed)}).")
    if swept.kept:
        print(
            f"{count_of(swept.kept, 'file')} that no version needs, but less than a day old: left for a later removal."
        )


@app.command()
def tune(
    name: Annotated[str, typer.Argument(help="Name of a tensor model in the manifest.", metavar="NAME")],
    *,
    file: File = MANIFEST,
    env: Environment = None,
    as_json: Json = False,
) -> None:
    """Measure a model with several threads and rows, with no site; the best is kept for `batching.tune: auto`."""
    from modelwright.app.models.tune import tune_alone
    from modelwright.app.settings.settings import chosen_environment, process_environment
    from modelwright.cli.model_view import tuned_table
    from modelwright.cli.status import WIDE, console_for

    environment = chosen_environment(env, process_environment())
    found = tune_alone(file, name, environment=environment, say=(lambda _: None) if as_json else print)
    if as_json:
        print_facts(found)
        return
    console_for(WIDE).print(tuned_table(found))


@app.command()
def loaded(*, file: File = MANIFEST, as_json: Json = False) -> None:
    """List every version of every model that runs, and whether it can be asked."""
    _tell(_repository(file).index(), as_json=as_json)


@app.command()
def load(name: Running, *, file: File = MANIFEST, as_json: Json = False) -> None:
    """Load a model that was unloaded, and wait until it answers."""
    _tell(_repository(file).load(name), as_json=as_json)


@app.command()
def unload(name: Running, *, file: File = MANIFEST, as_json: Json = False) -> None:
    """Send a model no more calls; after its last one its memory is free, until it is loaded again."""
    _tell(_repository(file).unload(name), as_json=as_json)


def _repository(file: Path) -> RepositoryOffice:
    from modelwright.app.repository.office import RepositoryOffice
    from modelwright.app.supervise.look import state_of

    return RepositoryOffice(state_of(file))


def _tell(models: list[Loaded], *, as_json: bool) -> None:
    import msgspec

    from modelwright.core.words.printable import in_json

    if as_json:
        print(in_json(msgspec.json.encode(models).decode()))
        return
    names, versions, states = ([getattr(one, field) for one in models] for field in ("name", "version", "state"))
    widths = [max(map(len, words), default=0) for words in (names, versions, states)]
    for name, version, state, model in zip(names, versions, states, models, strict=True):
        cells = (word.ljust(width) for word, width in zip((name, version, state.lower()), widths, strict=True))
        say("  ".join((*cells, model.reason)).rstrip())


def _office(file: Path, env: str | None) -> ModelOffice:
    from modelwright.app.models.office import ModelOffice
    from modelwright.app.settings.settings import chosen_environment, process_environment
    from modelwright.app.supervise.look import state_of

    environment = chosen_environment(env, process_environment())
    return ModelOffice(state_of(file), manifest=file, environment=environment, who=who_asks())


def _verbs(file: Path, env: str | None, *, quiet: bool) -> ModelVerbs:
    from modelwright.app.manifest.load import artifacts_of
    from modelwright.app.models.verbs import ModelVerbs
    from modelwright.app.sources.stores import open_blobs
    from modelwright.app.supervise.look import state_of

    section = artifacts_of(file, environment=env)
    blobs = open_blobs(section, state=state_of(file), base=file.absolute().parent)
    return ModelVerbs(_office(file, env), blobs, say=(lambda _: None) if quiet else say)


def _pairs(given: Pairs, *, hint: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=hint)
        pairs[name] = value
    return pairs


def _metrics(given: Pairs) -> dict[str, float]:
    from math import isfinite

    metrics: dict[str, float] = {}
    for name, text in _pairs(given, hint="--metric").items():
        try:
            metrics[name] = float(text)
        except ValueError:
            metrics[name] = float("nan")
        if not isfinite(metrics[name]):
            raise typer.BadParameter(f"{text!r} is no number", param_hint="--metric")
    return metrics
