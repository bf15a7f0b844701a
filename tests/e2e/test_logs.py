"""Log lines of a whole site: one per request whatever the level, messages only from the level on."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import patient
from tests.e2e.running import running

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: logs
models:
  echo: {{source: ./model.toy, engine: {{kind: toy-text}}}}
observe: {{log: {{level: {level}}}}}
"""
CALL = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}]}).encode()


@pytest.mark.parametrize(("level", "told"), [("debug", True), ("error", False)])
def test_the_level_holds_for_messages_and_not_for_requests(tmp_path: Path, level: str, *, told: bool) -> None:
    (tmp_path / "model.toy").write_bytes(b"toy")
    with running(MANIFEST.format(level=level), folder=tmp_path) as site:
        assert site.call("POST", "/v1/chat/completions", CALL).status == 200

        def lines(event: str) -> list[dict[str, object]]:
            decoded = [json.loads(line) for line in site.lines if f'"event":"{event}"' in line]
            return [line for line in decoded if line.get("level") in {"debug", "info"}]

        def calls() -> list[Any]:
            return [line["call"] for line in lines("request_finished") if line["call"]]

        patient(lambda: bool(calls()), waiting_for="the request's line")
        assert calls()[0]["outcome"] == "ok"
    assert bool(lines("log")) == told
