"""`modelwright bench` against a real site: tensors, streams, cost, faults, a picture."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import QUICKSTART, Site, modelwright, running

pytestmark = pytest.mark.e2e
MANIFEST = """
schema: 1
name: measured
models:
  digits: {{source: {digits}}}
  shout: {{engine: {{kind: "python:shout:Shout"}}}}
providers:
  dev: {{kind: openai, base_url: "{url}", keys: [none], prices: {{m: {{input: 0, output: 0, request: 0.01}}}}}}
endpoints:
  chat: {{variants: {{main: {{provider: dev, model: m}}}}}}
  vectors: {{variants: {{main: {{provider: dev, model: e}}}}}}
"""
SHOUT = """
class Shout:
    def predict(self, prompt: str, times: int) -> str:
        return prompt.upper() * times
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", "9") as running_one:
        yield running_one


@pytest.fixture(scope="module")
def site(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "shout.py").write_text(SHOUT)
    text = MANIFEST.format(digits=QUICKSTART / "models" / "digits.onnx", url=provider.base_url)
    with running(text, folder=folder) as running_one:
        yield running_one


def bench(site: Site, *arguments: str) -> list[dict[str, Any]]:
    ran = modelwright("bench", *arguments, "-f", str(site.manifest), "--seconds", "0.5", "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)["figures"]


def test_tensors_are_made_and_a_picture_is_drawn(site: Site, tmp_path: Path) -> None:
    picture = tmp_path / "digits.svg"
    one, four = bench(site, "digits", "--concurrency", "1,4", "--plot", str(picture))
    for found, load in ((one, "1"), (four, "4")):
        assert (found["load"], found["errors"], found["requests"]) == (load, {}, found["ok"])
        assert found["ok"] > 0
        assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["max"]
    assert len(ET.parse(picture).findall("{*}circle")) == 4  # noqa: S314 - our own


def test_a_class_is_asked_in_plain_json(site: Site, tmp_path: Path) -> None:
    own = tmp_path / "own.json"
    own.write_text('{"prompt": "hey", "times": 2}')
    for arguments in ((), ("--data", str(own))):
        (found,) = bench(site, "shout", "--concurrency", "2", *arguments)
        assert found["errors"] == {}
        assert found["ok"] > 0


def test_a_stream_has_a_first_token_tokens_and_a_cost(site: Site, provider: DevProvider) -> None:
    provider.fails()
    (found,) = bench(site, "chat", "--concurrency", "2")
    assert found["errors"] == {}
    assert 0 < found["first_ms"]["p50"] <= found["latency_ms"]["p50"]
    assert found["tokens_per_second"] == pytest.approx(9 * found["ok"] / found["seconds"], rel=0.01)
    assert found["cost_per_1000"] == {"USD": "10"}


def test_an_open_loop_sends_as_many_as_it_says(site: Site, provider: DevProvider) -> None:
    provider.fails()
    (found,) = bench(site, "chat", "--rate", "40", "--no-stream")
    assert (found["load"], found["requests"], found["first_ms"]) == ("40/s", 20, None)
    (vectors,) = bench(site, "vectors", "--rate", "10")
    assert (vectors["ok"], vectors["errors"]) == (5, {})


def test_faults_are_counted_and_a_table_is_printed(site: Site, provider: DevProvider, tmp_path: Path) -> None:
    provider.fails()
    body = tmp_path / "body.json"
    body.write_text('{"messages": [{"role": "user", "content": "x"}], "seed": 7}')
    (found,) = bench(site, "chat", "--rate", "10", "--data", str(body))
    assert (found["ok"], found["first_ms"]) == (5, None)
    assert all(request["body"]["seed"] == 7 for request in provider.requests[-5:])
    ran = modelwright("bench", "chat", "-f", str(site.manifest), "--seconds", "0.3", "--concurrency", "1")
    head, row, *_ = ran.stdout.splitlines()
    assert head.split()[:2] == ["load", "answers/s"]
    assert "10 USD" in row


@pytest.mark.parametrize(
    ("arguments", "env", "told"),
    [
        (("nobody",), {}, "404 unknown_endpoint"),
        (("digits",), {"MODELWRIGHT_KEY": "mw-wrong"}, "set MODELWRIGHT_KEY to an API key that may call it"),
        (("digits", "--concurrency", "0"), {}, "must be up to 32 numbers from 1"),
        (("digits", "--concurrency", "1.5"), {}, "must be up to 32 numbers from 1"),
        (("digits", "--rate", "fast"), {}, "must be up to 32 numbers from 1"),
        (("digits", "--url", "localhost:8000"), {}, "is no address of a gateway"),
        (("digits", "--url", "http://127.0.0.1:1"), {}, "digits: "),
        (("digits", "--data", "pyproject.toml"), {}, "it is no JSON object"),
    ],
)
def test_what_cannot_be_measured_is_said(
    site: Site, arguments: tuple[str, ...], env: dict[str, str], told: str
) -> None:
    ran = modelwright("bench", *arguments, "-f", str(site.manifest), "--seconds", "0.2", env={**os.environ, **env})
    assert ran.returncode in {1, 2}
    assert told in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr


def test_nothing_runs(tmp_path: Path) -> None:
    ran = modelwright("bench", "digits", "-f", str(tmp_path / "modelwright.yaml"))
    assert ran.returncode == 8
