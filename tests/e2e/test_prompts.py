"""Prompts over a real `modelwright up`: chosen by a variant, filled in per call, changed while calls go on."""

import hashlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.e2e.clients import ask as ask_worker
from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import ROOT, Reply, Site, modelwright, quickstart, running

pytestmark = pytest.mark.e2e
CHAT = "/v1/chat/completions"
HELLO = {"role": "user", "content": "What can it do?"}
V1 = "You answer questions about our products, in two sentences at most."
MANIFEST = """\
schema: 1
name: prompts
providers:
  dev: {{kind: vllm, base_url: "{base_url}"}}
prompts:
  support: {{source: ./prompts/support/, aliases: {{live: v1}}}}
endpoints:
  fixed: {{variants: {{only: {{provider: dev, model: m, prompt: support@v1}}}}}}
  filled: {{variants: {{only: {{provider: dev, model: m, prompt: support@v2}}}}}}
  moving: {{variants: {{only: {{provider: dev, model: m, prompt: support@live}}}}}}
gateway: {{workers: 2}}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider() as running_provider:
        yield running_provider


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, provider: DevProvider) -> Iterator[Site]:
    """Two gateway workers before a dev provider; the prompts are those of the quickstart."""
    folder = quickstart(tmp_path_factory.mktemp("prompts")).parent
    with running(MANIFEST.format(base_url=provider.base_url), folder=folder) as running_site:
        yield running_site


def ask(site: Site, endpoint: str, **fields: Any) -> Reply:
    body = {"model": endpoint, "messages": [HELLO], **fields}
    return site.call("POST", CHAT, json.dumps(body).encode())


def sent(provider: DevProvider) -> dict[str, Any]:
    """The body of the last request that the provider got."""
    return provider.requests[-1]["body"]


def test_a_fixed_prompt_goes_before_the_client_s_messages(site: Site, provider: DevProvider) -> None:
    assert ask(site, "fixed").status == 200
    assert sent(provider)["messages"] == [{"role": "system", "content": V1}, HELLO]


def test_an_sdk_fills_in_the_variables_streamed_or_not(site: Site, provider: DevProvider) -> None:
    client = OpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0)
    given = {"prompt_variables": {"product": "Kites {{ tone }}", "features": ["flies", "folds"]}}
    for stream in (False, True):
        answer = client.chat.completions.create(
            model="filled", messages=[{"role": "user", "content": "And?"}], extra_body=given, stream=stream
        )
        assert list(answer)
        body = sent(provider)
        assert "prompt_variables" not in body
        assert body["messages"] == [
            {
                "role": "system",
                "content": "You answer questions about Kites {{ tone }} in a friendly way, in two sentences at most.\n"
                "1. flies\n2. folds\n",
            },
            {"role": "user", "content": "What do you know?"},
            {"role": "assistant", "content": "All about Kites {{ tone }}."},
            {"role": "user", "content": "And?"},
        ]
    before = len(provider.requests)
    with pytest.raises(BadRequestError, match="prompt variable 'product' is missing") as refused:
        client.chat.completions.create(model="filled", messages=[], extra_body={"prompt_variables": {"tone": "dry"}})
    assert refused.value.param == "prompt_variables.product"
    assert len(provider.requests) == before, "nobody was asked"


def test_ledger_log_and_metrics_tell_the_version(site: Site) -> None:
    call = ask(site, "fixed").headers["x-modelwright-call"]
    digest = "sha256:" + hashlib.sha256((site.manifest.parent / "prompts/support/v1.md").read_bytes()).hexdigest()

    def row() -> Any:
        return json.loads(control(site, "GET", f"/ledger?call={call}"))

    patient(lambda: bool(row()) and row()[0]["outcome"] == "ok", waiting_for="the row")
    assert (row()[0]["prompt"], row()[0]["prompt_digest"]) == ("support@v1", digest)
    lines = [json.loads(line) for line in site.lines if call in line]
    assert [line["call"]["prompt"] for line in lines] == ["support@v1"]
    series = 'modelwright_prompt_calls_total{endpoint="fixed",outcome="ok",prompt="support@v1",variant="only"}'
    patient(lambda: series in control(site, "GET", "/metrics").decode(), waiting_for="the metric")


def test_a_new_text_reaches_every_worker_and_a_hostile_one_nobody(site: Site, provider: DevProvider) -> None:
    folder = site.manifest.parent / "prompts" / "support"
    before = (folder / "v1.md").read_text()
    (folder / "v1.md").write_text("Be brief.\n")
    patient(lambda: told_by_all(site, provider, "fixed") == {"Be brief."})
    since = len(site.lines)
    (folder / "v1.md").write_text("{{ ''.__class__.__mro__ }}\n")
    patient(lambda: any("v1.md, line 1: an attribute cannot stand" in line for line in site.lines[since:]))
    assert told_by_all(site, provider, "fixed") == {"Be brief."}
    (folder / "v1.md").write_text(before)
    patient(lambda: told_by_all(site, provider, "fixed") == {V1})


def control(site: Site, method: str, path: str) -> bytes:
    """Control's answer over its socket."""
    answer = ask_worker(site.runtime / "control.sock", path, method=method)
    assert answer.status == 200, answer
    return answer.body


def told_by_all(site: Site, provider: DevProvider, endpoint: str) -> set[str]:
    """The system's messages of calls over as many connections, so that every worker is met."""
    known = len(provider.requests)
    for _ in range(12):
        assert ask(site, endpoint).status == 200
    return {entry["body"]["messages"][0]["content"] for entry in provider.requests[known:]}


def prompts(site: Site, *words: str, status: int = 0) -> Any:
    """`modelwright prompts …` as facts."""
    done = modelwright("prompts", *words, "-f", str(site.manifest), "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if status == 0 else done.stderr


def test_an_alias_moves_while_calls_go_on_and_its_history_says_why(
    site: Site, provider: DevProvider, tmp_path: Path
) -> None:
    assert told_by_all(site, provider, "moving") == {V1}
    (tmp_path / "new.md").write_text("Be kind.\n")
    prompts(site, "push", "support", "v9", str(tmp_path / "new.md"), "--why", "kinder")
    assert told_by_all(site, provider, "moving") == {V1}, "nobody gets a version before an alias means it"
    moved = prompts(site, "alias", "support", "live", "v9", "--expect", "v1", "--why", "people like it")
    assert sorted(moved["spread"]["confirmed"]) == ["gateway-0", "gateway-1"]
    assert told_by_all(site, provider, "moving") == {"Be kind."}
    assert "means v9, not v1" in prompts(
        site, "alias", "support", "live", "v2", "--expect", "v1", "--why", "too late", status=1
    )
    last = prompts(site, "history", "support")[-1]
    assert (last["act"], last["name"], last["was"], last["to"]) == ("alias", "live", "v1", "v9")
    assert last["why"] == "people like it"
    prompts(site, "alias", "support", "live", "v1", "--why", "back")
    assert told_by_all(site, provider, "moving") == {V1}


def test_versions_are_shown_compared_and_filled_in(site: Site, tmp_path: Path) -> None:
    (line,) = prompts(site, "list")
    assert line["name"] == "support"
    assert {"v1", "v2"} <= set(line["versions"])
    assert prompts(site, "show", "support", "v1")["source"].strip() == V1
    assert f"-{V1}" in prompts(site, "diff", "support", "v1", "v2")["diff"]
    messages = prompts(site, "render", "support", "v2", "product=kites", 'features=["flies"]')
    assert messages[0]["content"].endswith("1. flies\n")
    assert "'product' is missing" in prompts(site, "render", "support", "v2", status=1)
    (tmp_path / "bad.md").write_text("{% for x in range(9) %}{% endfor %}")
    assert "a loop that is not plain" in prompts(
        site, "push", "support", "v8", str(tmp_path / "bad.md"), "--why", "x", status=1
    )


def test_every_command_of_the_guide_works_as_written(site: Site) -> None:
    page = (ROOT / "docs" / "guide" / "prompts.md").read_text("utf-8")
    commands = [line[2:] for line in page.splitlines() if line.startswith("$ modelwright ")]
    assert len(commands) > 5
    for command in commands:
        done = modelwright(*shlex.split(command)[1:], cwd=site.manifest.parent)
        assert done.returncode == 0, f"{command}: {done.stderr}"
