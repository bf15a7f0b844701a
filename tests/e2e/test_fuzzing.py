"""Requests made up from the public door's own description, right and wrong ones, bring forth no 5xx and no death."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode

from modelwright.gateway import http as gateway_http
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site, running

pytestmark = pytest.mark.e2e

DESCRIPTION = json.loads((Path(gateway_http.__file__).parent / "openapi.json").read_text("utf-8"))
FOUND: list[Any] = list(schemathesis.openapi.from_dict(DESCRIPTION).get_all_operations())
OPERATIONS: dict[str, APIOperation[Any, Any, Any, Any]] = {found.ok().label: found.ok() for found in FOUND}
ENDPOINTS = ("chat", "claude", "text", "tensors", "nobody")
MANIFEST = """
schema: 1
name: fuzzing
models:
  tensors: {source: ./toy.json, engine: {kind: toy-tensor}}
  text: {source: ./toy.json, engine: {kind: toy-text}}
providers:
  pool: {kind: vllm, base_url: "URL/v1"}
  claude: {kind: anthropic, base_url: "URL", keys: ["sk"]}
endpoints:
  chat: {variants: {main: {provider: pool, model: m}}}
  claude: {variants: {main: {provider: claude, model: m}}}
tasks: {}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("fuzzing")
    (folder / "toy.json").write_text('{"toy": 1, "columns": 4}')
    with (
        DevProvider("--delay", "0s") as provider,
        running(MANIFEST.replace("URL", f"http://127.0.0.1:{provider.port}"), folder=folder) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def session(site: Site) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.headers["authorization"] = f"Bearer {site.key}"
        yield opened


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_makes_the_public_door_fail(site: Site, session: requests.Session, label: str) -> None:
    operation = OPERATIONS[label]
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))

    @settings(
        max_examples=12 if operation.method == "post" else 3,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(cases, st.sampled_from(ENDPOINTS), st.booleans())
    def ask(case: Case, endpoint: str, stream: bool) -> None:  # noqa: FBT001
        if isinstance(case.body, dict) and "model" in case.body:
            case.body |= {"model": endpoint, "stream": stream}
        if case.path_parameters and "model" in case.path_parameters:
            case.path_parameters["model"] = endpoint
        response = case.call(base_url=site.public, session=session)
        assert response.status_code < 500, (response.status_code, response.content, case.body)
        if b"event: error" in response.content or b'data: {"error"' in response.content:
            raise AssertionError(response.content)

    ask()


def test_the_door_describes_itself_to_programs_and_to_people(site: Site) -> None:
    assert json.loads(site.call("GET", "/openapi.json").body) == DESCRIPTION
    page = site.call("GET", "/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"<script" not in page.body
    assert all(f"<code>{path}</code>".encode() in page.body for path in DESCRIPTION["paths"])


def test_the_door_lives_on_after_all_that(site: Site) -> None:
    assert site.call("GET", "/readyz").status == 200
    assert {part.restarts for part in site.watch().parts if part.kind in {"gateway", "serving"}} == {0}
