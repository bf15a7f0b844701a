"""`modelwright render`: writes files for others' tools from the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(help="Write files for others' tools: pipelines, edges, Compose.", no_args_is_help=True)

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
MANIFEST = Path("modelwright.yaml")


@app.callback()
def verbs() -> None:
    """Write files for others' tools from the manifest."""


@app.command()
def ci(
    *,
    kind: Annotated[Literal["github", "gitlab", "jenkins"], typer.Option(help="Which build server.")],
    file: File = MANIFEST,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Root of the repository to write it into; left out, it is printed."),
    ] = None,
    branch: Annotated[str, typer.Option(metavar="NAME", help="Whose commits are deployed (GitHub, Jenkins).")] = "main",
    force: Annotated[bool, typer.Option("--force", help="Also over a file that is there and differs.")] = False,
) -> None:
    """Write a pipeline: checks of the manifest and of your programs, images, test, and production once approved.

    It names secrets and holds none; neither variables nor secrets are looked up for it.
    """
    from modelwright.app.exporting.pipelines import rendered

    name, text = rendered(file, server=kind, branch=branch)
    if out is None:
        print(text, end="")
        return
    from modelwright.app.exporting.files import write

    print(write({name: text.encode()}, out, force=force))


@app.command()
def edge(
    *,
    kind: Annotated[Literal["haproxy", "nginx", "traefik", "apache"], typer.Option(help="Which program.")],
    file: File = MANIFEST,
    env: Annotated[str, typer.Option("--env", metavar="NAME", help="Overlay of the manifest.")] = "production",
    folder: Annotated[
        str, typer.Option(metavar="DIR", help="For its sockets and logs, as it sees it itself.")
    ] = "/var/lib/modelwright-edge",
    certificates: Annotated[
        str, typer.Option(metavar="DIR", help="Where HOST.pem lies, chain and key, for hosts with `tls`.")
    ] = "/etc/ssl/modelwright",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write it there; left out, it is printed.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also over a file that is there and differs.")] = False,
) -> None:
    """Write the configuration of an edge of your own from `routes`: safe for streams, with all that routes say.

    Requests go to NAME:PORT of apps and of the gateway. What the program cannot do is said in a comment.
    """
    from modelwright.app.exporting.edges import rendered

    name, text = rendered(file, kind=kind, environment=env, folder=folder, certificates=certificates)
    if out is None:
        print(text, end="")
        return
    from modelwright.app.exporting.files import write

    print(write({name: text.encode()}, out, force=force))


@app.command()
def compose(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that is written; it gets secrets.")],
    file: File = MANIFEST,
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment: development, test or production.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What `modelwright package --json` has printed.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also over files that are there and differ.")] = False,
) -> None:
    """Write a folder for Docker Compose: compose.yaml, .env.example, configuration, secrets and weights.

    Compose knows no releases: it swaps by stopping and starting. Secrets are files that only their owner can reach,
    and git ignores.
    """
    import asyncio

    from modelwright.app.exporting.compose import render

    print(asyncio.run(render(file, out, environment=env, images=images, force=force)))


@app.command()
def firewall(
    *,
    file: File = MANIFEST,
    env: Annotated[str, typer.Option("--env", metavar="NAME", help="Overlay of the manifest.")] = "production",
    also: Annotated[
        list[int] | None, typer.Option(metavar="PORT", help="Let in as well; left out, SSH at 22. Repeat it for more.")
    ] = None,
    peer: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A host of a target with several, as the others know it. Repeat it."),
    ] = None,
) -> None:
    """Write rules for nftables: of the host of a target, only what leads to the edge is reached from outside.

    They are printed, and loaded by nobody: look at them, then `nft -f`.
    """
    from modelwright.app.exporting.edges import firewall as rules

    print(rules(file, environment=env, also=also or [22], peers=peer or []), end="")
