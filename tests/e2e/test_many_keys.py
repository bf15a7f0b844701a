"""More keys than a snapshot holds: a table beside the database, and changes that hold at once. Two gateway workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.gateway_site import DevProvider
from tests.e2e.many_keys import PEPPER, fill, key_of
from tests.e2e.running import Site, modelwright, running

pytestmark = pytest.mark.e2e
MANIFEST = """\
schema: 1
name: many
providers: {{dev: {{kind: vllm, base_url: "{url}"}}}}
endpoints: {{assistant: {{variants: {{main: {{provider: dev, model: m}}}}}}}}
gateway: {{workers: 2}}
"""
MANY = 12_000


def statuses(site: Site, key: str) -> set[int]:
    return {site.call("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"}).status for _ in range(8)}


def test_many_keys_are_known_and_their_changes_hold_at_once(tmp_path: Path) -> None:
    fill(tmp_path / ".modelwright", MANY)
    with DevProvider() as provider:
        manifest, env = MANIFEST.format(url=provider.base_url), {"MODELWRIGHT_PEPPER": PEPPER}
        with running(manifest, folder=tmp_path, env=env) as site:
            for number in (0, 1, MANY // 2, MANY - 1):
                assert statuses(site, key_of(number)[1]) == {200}
            assert statuses(site, key_of(MANY)[1]) == {401}
            dead, text = key_of(7)
            done = modelwright("keys", "revoke", dead, "-f", str(site.manifest))
            assert done.returncode == 0, done.stderr
            assert statuses(site, text) == {401}
            made = modelwright("keys", "create", "late", "-f", str(site.manifest), "--json")
            assert statuses(site, json.loads(made.stdout)["key"]) == {200}
            rotated = modelwright("keys", "rotate", key_of(8)[0], "--overlap", "0s", "-f", str(site.manifest), "--json")
            assert statuses(site, json.loads(rotated.stdout)["key"]) == {200}
            assert statuses(site, key_of(8)[1]) == {401}
            held = json.loads((site.runtime / "snapshot.json").read_bytes())
            assert len(held["keys"]) < 10
            (table,) = (site.state / "keys").glob("*.table")
            assert (str(table), table.stat().st_mode & 0o777) == (held["key_table"], 0o600)
        before = table.stat().st_mtime_ns
        with running(manifest, folder=tmp_path, env=env) as site:
            assert statuses(site, text) == {401}
            assert statuses(site, key_of(9)[1]) == {200}
        assert table.stat().st_mtime_ns == before, "a restart takes the table as it is"
