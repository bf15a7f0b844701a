"""`modelwright check`: every fault of a manifest, and the mending of misspelt keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from modelwright.app.document.mend import Renaming
    from modelwright.app.manifest.load import Report
    from modelwright.core.errors.tree import Fault


def check(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = Path("modelwright.yaml"),
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment whose variables and secrets are looked up.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Mend misspelt keys in the file where no doubt is left.")
    ] = False,
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Look no variable and no secret up, where there are none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Find every fault of a manifest, in all three environments at once.

    Ends with status 0 when it is right, and with 3 when it has faults. Variables and secrets are looked up for one
    environment only (--env, MODELWRIGHT_ENV, or development), or with --without-secrets for none: a build server that
    checks a proposed change has no business with them.
    """
    from modelwright.app.manifest.load import check_manifest
    from modelwright.app.manifest.mending import mend_manifest

    renamings = mend_manifest(file) if write else ()
    report = check_manifest(file, environment=env, without_secrets=without_secrets)
    if as_json:
        print(json.dumps(_facts(report, renamings), indent=2, ensure_ascii=False))
    else:
        _print(file, report, renamings)
    if report.faults:
        from modelwright.cli.exit_codes import EXIT_CODES

        raise typer.Exit(EXIT_CODES["manifest_invalid"])


def _print(file: Path, report: Report, renamings: tuple[Renaming, ...]) -> None:
    from modelwright.cli.errors import fault_lines
    from modelwright.core.words.counting import count_of

    for renaming in renamings:
        print(f"{file}:{renaming.line}: changed `{renaming.old}` to `{renaming.new}`")
    if report.faults:
        print(fault_lines(report.faults))
    if report.warnings:
        print(fault_lines(report.warnings, word="warning"))
    for name, source in report.secrets.items():
        print(f"{name}: {source}")
    warned = f", {count_of(len(report.warnings), 'warning')}" if report.warnings else ""
    if report.faults:
        print(f"{count_of(len(report.faults), 'fault')}{warned}")
    else:
        whose = f"for {report.environment}" if report.looked_up else "for no environment"
        print(f"{file}: no faults{warned} (variables and secrets looked up {whose})")


def _facts(report: Report, renamings: tuple[Renaming, ...]) -> dict[str, Any]:
    return {
        "ok": not report.faults,
        "environment": report.environment,
        "faults": [_fault(fault) for fault in report.faults],
        "warnings": [_fault(fault) for fault in report.warnings],
        "secrets": dict(report.secrets),
        "changed": [{"line": one.line, "from": one.old, "to": one.new} for one in renamings],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in fault.__struct_fields__}
