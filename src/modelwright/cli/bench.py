"""`modelwright bench`: an endpoint under load, as its clients see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelwright.app.bench.figures import Figures, Load, Within

COLUMNS = ("load", "answers/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "first p50 ms", "first p99 ms", "tokens/s")
MOST_LOADS = 32
LARGEST = 4096


def bench(
    endpoint: Annotated[str, typer.Argument(help="Name that clients call.")],
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest that runs.")] = Path("modelwright.yaml"),
    url: Annotated[str, typer.Option(help="A gateway elsewhere, such as http://host:8000.")] = "",
    concurrency: Annotated[
        str, typer.Option(metavar="N,N,…", help="Clients at once, one load for each number.")
    ] = "1,8,32",
    rate: Annotated[
        str,
        typer.Option(metavar="N,N,…", help="Requests a second, whatever the answers do; instead of --concurrency."),
    ] = "",
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="Of each load.")] = 10.0,
    timeout: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds until an answer counts as failed.")] = 60.0,
    data: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON body of one request; by default one is made.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=65536, help="Rows of a tensor request that is made.")] = 1,
    stream: Annotated[bool, typer.Option(help="Let a chat request that is made ask for a stream.")] = True,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw latency over throughput.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Measure an endpoint under load: throughput, latencies, time to first token, cost of a thousand calls.

    The key is that of the development run, or that in the variable MODELWRIGHT_KEY.
    """
    from modelwright.app.bench.run import Wish, measure

    wish = Wish(
        endpoint=endpoint,
        manifest=file,
        url=url,
        loads=_loads(concurrency, rate),
        seconds=seconds,
        within=timeout,
        data=data,
        rows=rows,
        stream=stream,
    )
    found = measure(wish, tell=_quiet if as_json else _progress)
    if plot is not None:
        from modelwright.app.bench.plot import plot as drawn

        plot.write_text(drawn(f"{endpoint}: {found.target}", found.figures), "utf-8")
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    _table(found.figures)
    if plot is not None:
        print(f"\nDrawn in {plot}.")


def _table(figures: Iterable[Figures]) -> None:
    from rich.table import Table

    from modelwright.cli.status import WIDE, console_for

    found = list(figures)
    streams = any(each.first_ms for each in found)
    tokens = any(each.tokens_per_second for each in found)
    priced = any(each.cost_per_1000 for each in found)
    wanted = [name for name in COLUMNS if (streams or "first" not in name) and (tokens or "tokens" not in name)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in (*wanted, *(["cost/1000"] if priced else []), "errors"):
        table.add_column(name, justify="right" if name != "errors" else "left")
    for each in found:
        cells = cells_of(each)
        cost = " + ".join(f"{amount} {currency}" for currency, amount in each.cost_per_1000.items())
        table.add_row(*(cells[name] for name in wanted), *([cost or "?"] if priced else []), cells["errors"])
    console_for(WIDE).print(table)
    for line in remarks(found):
        print(line)


def cells_of(figures: Figures) -> dict[str, str]:
    """One row of the table, by column."""

    def latencies(prefix: str, within: Within | None, *shares: str) -> dict[str, str]:
        return {f"{prefix}{share} ms": f"{getattr(within, share):.4g}" if within else "" for share in shares}

    return {
        "load": figures.load,
        "answers/s": f"{figures.per_second:.4g}" if figures.per_second < 1000 else f"{figures.per_second:.0f}",
        **latencies("", figures.latency_ms, "p50", "p90", "p99", "max"),
        **latencies("first ", figures.first_ms, "p50", "p99"),
        "tokens/s": f"{figures.tokens_per_second:.4g}" if figures.tokens_per_second else "",
        "errors": ", ".join(f"{count} × {error}" for error, count in figures.errors.items()),
    }


def remarks(figures: Iterable[Figures]) -> Iterator[str]:
    """What a reader of the table must know."""
    for each in figures:
        half = each.latency_ms.p50 if each.latency_ms else 0.0
        if each.late_ms > max(5.0, half):
            late = f"sending was {each.late_ms:.0f} ms late at the worst"
            yield f"Load {each.load}: {late}; this machine cannot send so fast."


def _loads(concurrency: str, rate: str) -> tuple[Load, ...]:
    from modelwright.app.bench.figures import Load

    if rate:
        loads = tuple(Load(rate=number) for number in _numbers(rate, "--rate", largest=100_000))
    else:
        loads = tuple(Load(concurrency=int(n)) for n in _numbers(concurrency, "--concurrency", largest=LARGEST))
    return loads


def _numbers(text: str, option: str, *, largest: float) -> list[float]:
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = []
    whole = option != "--concurrency" or all(number.is_integer() for number in found)
    if not found or len(found) > MOST_LOADS or not whole or not all(0 < number <= largest for number in found):
        problem = f"{text!r} must be up to {MOST_LOADS} numbers from 1 to {largest:g}, such as 1,8,32"
        raise typer.BadParameter(problem, param_hint=option)
    return found


def _progress(figures: Figures) -> None:
    import sys

    if sys.stderr.isatty():
        print(f"load {figures.load}: {figures.per_second:.4g} answers/s", file=sys.stderr)


def _quiet(figures: Figures) -> None:
    pass
