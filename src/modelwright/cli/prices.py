"""`modelwright prices`: what every variant costs, and where its price stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelwright.app.prices.told import ShownPrice

AMOUNTS = ("input", "cached_input", "cache_write", "output", "reasoning")
COLUMNS = ("endpoint", "variant", "model", "input", "cached", "written", "output", "reasoning", "call", "second")


def prices(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = Path("modelwright.yaml"),
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment: development, test or production.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Tell what every variant costs: tokens per million, each call; and from where and of which date the price is."""
    from modelwright.app.manifest.load import load_manifest
    from modelwright.app.prices.book import PriceBook
    from modelwright.app.prices.told import shown_prices
    from modelwright.app.system import SystemClock

    loaded = load_manifest(file, environment=env)
    found = shown_prices(loaded, PriceBook(loaded.manifest, at=SystemClock().now()))
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    from rich.table import Table

    from modelwright.cli.status import WIDE, console_for

    table = Table(*COLUMNS, "currency", "from", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for price in found:
        for row in rows_of(price):
            table.add_row(*row)
    console_for(WIDE).print(table)


def rows_of(price: ShownPrice) -> Iterator[tuple[str, ...]]:
    """One line for the price, one more for each kind of calls that has other rates."""
    head = (price.endpoint, price.variant, f"{price.provider} {price.model}")
    if not price.priced:
        yield (*head, *[""] * 8, f"unpriced: {price.reason}")
    for rates in price.rates:
        amounts = [getattr(rates, name) or "" for name in AMOUNTS]
        if rates.when:
            yield ("", "", rates.when, *amounts, "", "", price.currency, "")
            continue
        dated = f", of {price.dated}" if price.dated else ""
        until = f", until {price.until}" if price.until else ""
        source = f"{price.source}{dated}{until}"
        yield (*head, *amounts, price.request or "", price.second or "", price.currency, source)
