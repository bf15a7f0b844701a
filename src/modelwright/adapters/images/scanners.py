"""Scanners for known weaknesses: what could not be looked at has not passed, whatever the program's status says."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from modelwright.adapters.images.program import Ended, run
from modelwright.core.errors.deploying import ScanFailed

PATIENCE = 600.0


class Weakness(msgspec.Struct, frozen=True, order=True, kw_only=True):
    """Something that is known about a part of an image."""

    part: str
    version: str
    id: str
    mended: str = ""
    """Versions without it."""


async def pip_audit(parts: Sequence[tuple[str, str]], *, env: Mapping[str, str]) -> tuple[Weakness, ...]:
    """Of Python packages (name, version), by PyPI's advisories; raises ScanFailed when one could not be looked at."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "requirements.txt"
        asked.write_text("".join(f"{name}=={version}\n" for name, version in parts), "utf-8")
        words = ("--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")
        ended = await _ended(("pip-audit", *words, "--requirement", str(asked)), env=env)
    try:
        told: list[dict[str, Any]] = json.loads(ended.out)["dependencies"]
    except (ValueError, LookupError, TypeError):
        raise _not_looked("pip-audit", ended) from None
    missing = {name.lower() for name, _ in parts} - {one["name"].lower() for one in told if "skip_reason" not in one}
    if missing or ended.status not in {0, 1}:
        raise _not_looked("pip-audit", ended, of=sorted(missing))
    return tuple(
        sorted(
            Weakness(
                part=one["name"], version=one["version"], id=it["id"], mended=", ".join(it.get("fix_versions", ()))
            )
            for one in told
            for it in one["vulns"]
        )
    )


async def trivy(image: str, *, env: Mapping[str, str]) -> tuple[Weakness, ...]:
    """Of all that is in an image; raises ScanFailed when it could not be looked at."""
    words = ("image", "--quiet", "--format", "json", "--scanners", "vuln", "--severity", "HIGH,CRITICAL")
    ended = await _ended(("trivy", *words, image), env=env)
    try:
        results: list[dict[str, Any]] = json.loads(ended.out).get("Results") or []
    except (ValueError, AttributeError):
        raise _not_looked("trivy", ended) from None
    if ended.status or not results:
        raise _not_looked("trivy", ended)
    return tuple(
        sorted(
            Weakness(
                part=it["PkgName"],
                version=it["InstalledVersion"],
                id=it["VulnerabilityID"],
                mended=it.get("FixedVersion", ""),
            )
            for result in results
            for it in result.get("Vulnerabilities") or ()
        )
    )


async def _ended(command: Sequence[str], *, env: Mapping[str, str]) -> Ended:
    try:
        return await run(command, env=env, seconds=PATIENCE)
    except FileNotFoundError:
        hint = f"install {command[0]}, or remove it from build.scan"
        raise ScanFailed(f"{command[0]} could not scan: it is not installed", hint=hint) from None
    except (OSError, TimeoutError) as error:
        why = "it took too long" if isinstance(error, TimeoutError) else error.strerror
        raise ScanFailed(f"{command[0]} could not scan: {why}", hint="run it by hand to see why") from error


def _not_looked(program: str, ended: Ended, *, of: Sequence[str] = ()) -> ScanFailed:
    what = f" {', '.join(of)}" if of else ""
    errors = [line for line in ended.err.splitlines() if line.startswith(("ERROR", "FATAL"))]
    said = "\n".join(errors[-3:]) or ended.last_words(3) or f"it ended with status {ended.status}"
    return ScanFailed(
        f"{program} could not scan{what}: {said}",
        hint="not looked at is not passed; see that it reaches its advisories",
    )
