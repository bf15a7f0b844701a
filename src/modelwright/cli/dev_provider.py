"""`modelwright dev-provider`: an OpenAI-compatible upstream for tests, with faults on demand."""

from typing import Annotated

import typer


def dev_provider(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 picks a free one.")] = 9009,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="What goes wrong: cut@3, stall@3, error@2, slow@2s, split, lump, garbage, refuse, empty, "
            "or a status such as 429. x2 at its end: for two requests, then no more. May be given many times.",
        ),
    ] = None,
    tokens: Annotated[int, typer.Option(min=0, max=100_000, help="Tokens of an answer.")] = 8,
    delay: Annotated[str, typer.Option(metavar="DURATION", help="Pause before each token of a stream.")] = "20ms",
    echo: Annotated[
        int,
        typer.Option(min=0, max=100_000, metavar="CHARACTERS", help="Repeat the last message, in tokens of that size."),
    ] = 0,
    require_key: Annotated[
        str,
        typer.Option(
            metavar="KEY",
            envvar="MODELWRIGHT_DEV_KEY",
            help="Answer 401 to any other bearer token. Set MODELWRIGHT_DEV_KEY instead: others see a command line.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Run an OpenAI-compatible upstream for tests: always the same answers, and faults on demand.

    Point a provider's base_url at http://HOST:PORT/v1. GET /dev/requests shows what arrived, POST /dev/faults
    changes the script, POST /dev/reset starts afresh.
    """
    from modelwright.app.dev_provider.faults import parse_faults
    from modelwright.app.dev_provider.server import announcement, run
    from modelwright.app.dev_provider.service import Options
    from modelwright.core.quantities import parse_duration

    try:
        options = Options(
            tokens=tokens,
            delay=parse_duration(delay),
            echo=echo,
            key=require_key,
            faults=parse_faults(fault or []),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None

    def listening(host: str, port: int) -> None:
        print(announcement(host, port, as_json=as_json), flush=True)

    run(options, host=host, port=port, listening=listening)
