"""`modelwright explain`: what becomes of a call, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelwright.app.explaining.facts import Explanation, LimitTold, Share


def explain(
    endpoint: Annotated[str, typer.Argument(help="Name that clients call.")],
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = Path("modelwright.yaml"),
    env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment, when nothing runs: development, test or production."),
    ] = None,
    user: Annotated[str, typer.Option(help="The body's `user` field.")] = "",
    tenant: Annotated[str, typer.Option(help="Tenant of the caller; by default the key's.")] = "",
    key: Annotated[str, typer.Option(help="Id or name of the API key, as `modelwright keys list` shows them.")] = "",
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A header of the call; may be given many times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Tell what becomes of a call: which variant answers and why, with its prompt, limits, guard, cache and fallback.

    While `modelwright up` runs, the answer is what its gateway does now; otherwise it is what the manifest says.
    """
    from modelwright.app.explaining.facts import Caller
    from modelwright.app.explaining.office import explained

    caller = Caller(user=user, tenant=tenant, key=key, headers=_headers(header or []))
    found = explained(file, endpoint, caller=caller, environment=env)
    if as_json:
        import msgspec

        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        print(text_of(found))


def text_of(found: Explanation) -> str:
    """The answer, its reason, the table of shares, and all that else decides about the call."""
    width = max(len(share.variant) for share in found.shares)
    answer = f"{found.variant} answers, since {found.reason}" if found.variant else found.reason
    lines = [f"{found.endpoint}: {answer}"]
    for share in found.shares:
        mark = ">" if share.variant == found.variant else " "
        prompt = f"  prompt {share.prompt}" if share.prompt else ""
        off = f"  (off: {share.off})" if share.off else ""
        part = _part(share, choose=found.choose)
        lines.append(f"{mark} {share.variant:<{width}}  {part}  {share.provider} {share.model}{prompt}{off}")
    lines += [f"{what}: {', '.join(each)}" for what, each in _rest(found).items() if each]
    lines.append(_TOLD_BY[found.told_by])
    return "\n".join(lines)


_TOLD_BY = {
    "gateway": "So does the gateway that runs.",
    "file": "So says the manifest; nothing runs that could have other weights or aliases by now.",
}


def _rest(found: Explanation) -> dict[str, Sequence[str]]:
    return {
        "When it fails before its answer has begun": found.fallback,
        "Sent again at most": (str(found.retries),) if found.retries else (),
        "Asked beside it, for nobody": (found.shadow,) if found.shadow else (),
        "Answers": found.operations,
        "Limits": [f"{told.limit} for {_whose(told)}" for told in found.limits],
        "Guard": found.guard,
        "Kept answers": found.cache,
    }


def _whose(told: LimitTold) -> str:
    return f"{told.by} {told.subject}" if told.subject else f"its {told.by}"


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
