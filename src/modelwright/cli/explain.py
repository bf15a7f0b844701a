"""`modelwright explain`: which variant of an endpoint answers, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelwright.app.explain import Explanation, Share


def explain(
    endpoint: Annotated[str, typer.Argument(help="Name that clients call.")],
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = Path("modelwright.yaml"),
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment: development, test or production.")
    ] = None,
    user: Annotated[str, typer.Option(help="The body's `user` field.")] = "",
    tenant: Annotated[str, typer.Option(help="Tenant of the API key.")] = "default",
    key: Annotated[str, typer.Option(help="Public id of the API key, as `modelwright keys list` shows it.")] = "",
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A header of the call; may be given many times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Tell which variant of an endpoint answers a caller, and why.

    The answer is the gateway's own: the same rule, the same weights, and the salt of this installation.
    """
    from modelwright.app.explain import Caller
    from modelwright.app.explain import explain as explained
    from modelwright.app.manifest.load import load_manifest
    from modelwright.app.settings.own_secrets import SALT, salt

    loaded = load_manifest(file, environment=env)
    known = salt(loaded.state_dir) if (loaded.state_dir / SALT).exists() else ""
    caller = Caller(user=user, tenant=tenant, key=key, headers=_headers(header or []))
    found = explained(loaded, endpoint, caller=caller, salt=bytes.fromhex(known) if known else None)
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(text_of(found))


def text_of(found: Explanation) -> str:
    """The answer, its reason, and the table of shares."""
    width = max(len(share.variant) for share in found.shares)
    answer = f"{found.variant} answers, since {found.reason}" if found.variant else found.reason
    lines = [f"{found.endpoint}: {answer}"]
    for share in found.shares:
        mark = ">" if share.variant == found.variant else " "
        off = f"  (off: {share.off})" if share.off else ""
        part = _part(share, choose=found.choose)
        lines.append(f"{mark} {share.variant:<{width}}  {part}  {share.provider} {share.model}{off}")
    if found.fallback:
        lines.append(f"When it fails before its answer has begun: {', '.join(found.fallback)}")
    return "\n".join(lines)


def _part(share: Share, *, choose: str) -> str:
    if choose != "weight":
        return "may be chosen" if share.weight > 0 else "not chosen   "
    return f"{share.share:>7.2%}  {share.begin:.6f} to {share.end:.6f}  weight {share.weight:g}"


def _headers(given: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--header")
        headers[name] = value
    return headers
