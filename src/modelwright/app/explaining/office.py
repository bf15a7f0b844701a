"""Explains calls for the command line: by control while it runs, otherwise by the manifest, and says which."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import msgspec

from modelwright.app.explaining.explain import explain
from modelwright.app.explaining.facts import Caller, Explanation
from modelwright.app.explaining.rules_in_force import of_file
from modelwright.app.manifest.load import load_manifest
from modelwright.app.settings.own_secrets import SALT, salt
from modelwright.app.supervise.control import Control
from modelwright.app.supervise.look import state_of
from modelwright.core.errors.access import AccessError, KeyNotFound
from modelwright.core.errors.calls import UnknownEndpoint
from modelwright.core.errors.starting import NotRunning


def explained(file: Path, endpoint: str, *, caller: Caller, environment: str | None) -> Explanation:
    """Raises UnknownEndpoint, KeyNotFound, and what loading a manifest raises.

    `environment` matters while nothing runs.
    """
    control = Control(state_of(file), refusals=(AccessError, KeyNotFound, UnknownEndpoint))
    wish = {name: getattr(caller, name) for name in ("user", "tenant", "key", "headers")}
    try:
        answer = control.ask("POST", f"/explain/{quote(endpoint, safe='')}", msgspec.json.encode(wish))
    except NotRunning:
        return _by_file(file, endpoint, caller=caller, environment=environment)
    return msgspec.json.decode(answer, type=Explanation)


def _by_file(file: Path, endpoint: str, *, caller: Caller, environment: str | None) -> Explanation:
    loaded = load_manifest(file, environment=environment)
    known = salt(loaded.state_dir) if (loaded.state_dir / SALT).exists() else ""
    rules = of_file(loaded, salt=bytes.fromhex(known) if known else None)
    return explain(rules, endpoint, caller=msgspec.structs.replace(caller, tenant=caller.tenant or "default"))
