"""`modelwright variants`: what was seen of each variant, and who gets how much of the traffic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelwright.cli.changes import tell_spread, who_asks

if TYPE_CHECKING:
    from rich.table import Table

    from modelwright.app.variants.facts import EndpointView
    from modelwright.app.variants.office import Changed, VariantOffice
    from modelwright.core.experiments.intervals import Interval

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
Json = Annotated[bool, typer.Option("--json", help="Print facts for programs.")]
Endpoint = Annotated[str, typer.Argument(help="Name of the endpoint.", metavar="ENDPOINT")]
Why = Annotated[str, typer.Option(help="Why, in one line: it stands in the history.")]

MANIFEST = Path("modelwright.yaml")
COLUMNS = (
    "variant", "weight", "share", "calls", "failures", "p50", "p95", "first token", "tokens in", "tokens out",
    "cost", "feedback",
)  # fmt: skip

app = typer.Typer(help="Compare variants and shift traffic between them.", invoke_without_command=True)


@app.callback()
def without_a_verb(context: typer.Context) -> None:
    """Compare variants and shift traffic between them; without a verb: show."""
    if context.invoked_subcommand is None:
        show(None, since="24h", file=MANIFEST, as_json=False)


@app.command()
def show(
    endpoint: Annotated[str | None, typer.Argument(help="By default all endpoints.", metavar="ENDPOINT")] = None,
    *,
    since: Annotated[str, typer.Option(help="How far back, such as 30m, 24h or 7d.")] = "24h",
    file: File = MANIFEST,
    as_json: Json = False,
) -> None:
    """Calls, failures, latency, tokens, cost and feedback of every variant, with 95 % intervals."""
    import msgspec

    from modelwright.app.variants.facts import EndpointView
    from modelwright.cli.status import WIDE, console_for

    found = _office(file).look(endpoint, since=since)
    if as_json:
        print(msgspec.json.format(found, indent=2).decode())
        return
    console = console_for(WIDE)
    for facts in msgspec.json.decode(found, type=list[EndpointView]):
        told = "" if facts.whole else ", the newest of more"
        console.print(f"{facts.endpoint}: {facts.calls} calls in {since}{told}", highlight=False)
        console.print(_table(facts))
        console.print()


@app.command()
def weigh(
    endpoint: Endpoint,
    weights: Annotated[list[str], typer.Argument(help="Such as stable=90 canary=10.", metavar="VARIANT=WEIGHT")],
    *,
    why: Why,
    file: File = MANIFEST,
    as_json: Json = False,
) -> None:
    """Set live weights, on every gateway worker within seconds; a variant that is not named keeps its own."""
    _tell(_office(file).weigh(endpoint, _weights(weights), why=why), as_json=as_json)


@app.command()
def promote(
    endpoint: Endpoint,
    variant: Annotated[str, typer.Argument(help="The variant that gets all traffic.", metavar="VARIANT")],
    *,
    why: Why,
    file: File = MANIFEST,
    as_json: Json = False,
) -> None:
    """Give all traffic to one variant."""
    import msgspec

    from modelwright.app.variants.facts import EndpointView

    office = _office(file)
    (found,) = msgspec.json.decode(office.look(endpoint, since="1s"), type=list[EndpointView])
    others = {each.variant: 0.0 for each in found.variants if each.manifest_weight is not None}
    _tell(office.weigh(endpoint, {**others, variant: 100.0}, why=why), as_json=as_json)


@app.command()
def rollback(endpoint: Endpoint, *, why: Why, file: File = MANIFEST, as_json: Json = False) -> None:
    """Go back to the weights before the present ones."""
    _tell(_office(file).roll_back(endpoint, why=why), as_json=as_json)


@app.command()
def reset(endpoint: Endpoint, *, why: Why, file: File = MANIFEST, as_json: Json = False) -> None:
    """Let the manifest's weights hold again."""
    _tell(_office(file).weigh(endpoint, {}, why=why), as_json=as_json)


@app.command()
def history(endpoint: Endpoint, *, file: File = MANIFEST, as_json: Json = False) -> None:
    """Tell who changed the weights, when and why; the newest first."""
    from datetime import UTC, datetime

    import msgspec

    from modelwright.app.variants.facts import Change

    found = _office(file).history(endpoint)
    if as_json:
        print(msgspec.json.format(found, indent=2).decode())
        return
    changes = msgspec.json.decode(found, type=list[Change])
    if not changes:
        print(f"Nobody has changed the weights of {endpoint}: the manifest's hold.")
    for change in changes:
        at = datetime.fromtimestamp(change.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        weights = _listed(change.weights) if change.weights else "the manifest's"
        print(f"{at}  {change.who}: {weights} ({change.why})")


def _office(file: Path) -> VariantOffice:
    from modelwright.app.supervise.look import state_of
    from modelwright.app.variants.office import VariantOffice

    return VariantOffice(state_of(file), who=who_asks())


def _weights(given: list[str]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for text in given:
        name, equals, number = text.partition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not VARIANT=WEIGHT, such as canary=10", param_hint="VARIANT=WEIGHT")
    return weights


def _tell(changed: Changed, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(changed), indent=2).decode())
        return
    print(f"{changed.endpoint}: {_listed(changed.weights)}")
    tell_spread(changed.spread)


def _listed(weights: dict[str, float]) -> str:
    return " ".join(f"{name}={weight:g}" for name, weight in weights.items())


def _table(facts: EndpointView) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "variant" else "right", no_wrap=True)
    for each in facts.variants:
        seen = each.seen
        cost = " ".join(f"{amount} {currency}" for currency, amount in seen.cost.items())
        unpriced = f"{seen.unpriced} unpriced" if seen.unpriced else ""
        table.add_row(
            each.variant,
            "gone" if each.manifest_weight is None else f"{each.weight:g}",
            f"{each.share:.1%}",
            str(seen.calls),
            f"{seen.failures} {_range(seen.failure_share, '{:.1%}')}".strip(),
            _with_range(seen.latency_p50_ms),
            _with_range(seen.latency_p95_ms),
            _with_range(seen.first_token_p50_ms),
            str(seen.input_tokens),
            str(seen.output_tokens),
            ", ".join(filter(None, (cost, unpriced))),
            f"{seen.score.value:.2f} {_range(seen.score, '{:.2f}')} of {seen.feedback}" if seen.score else "",
        )
    return table


def _with_range(found: Interval | None) -> str:
    return f"{found.value:.0f} ms {_range(found, '{:.0f}')}" if found else ""


def _range(found: Interval | None, form: str) -> str:
    return f"({form.format(found.low)} to {form.format(found.high)})" if found else ""
