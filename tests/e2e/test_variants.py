"""Canaries for real: sticky shares, testers, feedback, live weights on two workers, promotion and rollback."""

import json
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import ROOT, Reply, Site, modelwright, program, running

pytestmark = pytest.mark.e2e
GUIDE = ROOT / "docs" / "guide" / "canaries.md"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The guide's own manifest, on two gateway workers."""
    (text,) = re.findall(r"```yaml\n(schema: 1\n.*?)```", GUIDE.read_text(), re.DOTALL)
    with DevProvider() as upstream:
        text = text.replace("http://127.0.0.1:9009/v1", upstream.base_url) + "gateway: {workers: 2}\n"
        with running(text, folder=tmp_path_factory.mktemp("canary")) as found:
            yield found


def ask(site: Site, user: str = "", **headers: str) -> Reply:
    body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "Hi"}], "user": user})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = site.call("POST", "/v1/chat/completions", body.encode(), headers=named)
    assert reply.status in {200, 422}, reply.body
    return reply


def variant(site: Site, user: str) -> str:
    return ask(site, user).headers["x-modelwright-variant"]


def chosen(site: Site, users: range) -> dict[int, str]:
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(users, pool.map(lambda user: variant(site, f"user-{user}"), users), strict=True))


def command(site: Site, *words: str) -> subprocess.CompletedProcess[str]:
    return modelwright("variants", *words, "-f", str(site.manifest))


def facts(site: Site) -> dict[str, Any]:
    found = command(site, "show", "assistant", "--json")
    assert found.returncode == 0, found.stderr
    (endpoint,) = json.loads(found.stdout)
    return {each["variant"]: each for each in endpoint["variants"]}


def test_share_is_sticky_by_user_on_every_worker_and_moves_only_who_must(site: Site) -> None:
    first = chosen(site, range(60))
    assert first == chosen(site, range(60))
    assert set(first.values()) == {"stable", "canary"}

    found = command(site, "weigh", "assistant", "canary=90", "--why", "more of it")
    assert found.returncode == 0, found.stderr
    assert "stable=90 canary=90 trial=0" in found.stdout
    second = chosen(site, range(60))
    assert all(second[user] == "canary" for user in first if first[user] == "canary"), "who had the canary keeps it"
    assert Counter(second.values())["canary"] > Counter(first.values())["canary"]

    assert command(site, "rollback", "assistant", "--why", "too much").returncode == 0
    assert chosen(site, range(60)) == first


def test_live_weights_outlive_a_restart_of_control_and_a_change_of_the_manifest(site: Site) -> None:
    assert command(site, "promote", "assistant", "canary", "--why", "it is better").returncode == 0
    assert set(chosen(site, range(20)).values()) == {"canary"}
    before = len(site.lines)
    site.manifest.write_text(site.manifest.read_text() + "# a word\n")
    site.manifest.write_text(site.manifest.read_text().replace("weight: 90", "weight: 80"))
    patient(lambda: any("was applied without a restart" in line for line in site.lines[before:]))
    assert set(chosen(site, range(20)).values()) == {"canary"}
    seen = facts(site)["stable"]
    assert (seen["weight"], seen["manifest_weight"]) == (0.0, 80.0)

    assert command(site, "reset", "assistant", "--why", "start again").returncode == 0
    assert facts(site)["stable"]["weight"] == 80.0
    told = command(site, "history", "assistant").stdout.splitlines()
    assert "the manifest's (start again)" in told[0]
    assert "canary=100 stable=0 trial=0 (it is better)" in told[1]


def test_a_tester_names_the_variant(site: Site) -> None:
    for name in ("stable", "canary"):
        reply = ask(site, "somebody", x_variant=name)
        assert reply.headers["x-modelwright-variant"] == name
    refused = ask(site, "somebody", x_variant="cannary")
    assert refused.status == 422
    assert "name one of stable, canary, trial in x-variant" in refused.json()["error"]["message"]


def test_feedback_is_counted_once_and_only_from_the_tenant_of_the_call(site: Site) -> None:
    made = modelwright("keys", "create", "stranger", "--tenant", "others", "--json", "-f", str(site.manifest))
    stranger = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
    before = facts(site)["canary"]["seen"]["feedback"]
    call = ask(site, "somebody", x_variant="canary").headers["x-modelwright-call"]

    def say(score: Any, **options: Any) -> Reply:
        body = json.dumps({"call": call, "score": score, "comment": "好"}).encode()
        return site.call("POST", "/v1/feedback", body, **options)

    assert [say(0, headers=stranger).status, say(1).status, say(1).status] == [202, 202, 202]
    patient(lambda: facts(site)["canary"]["seen"]["feedback"] == before + 1)
    assert facts(site)["canary"]["seen"]["score"]["high"] <= 1
    assert facts(site)["canary"]["seen"]["score"]["value"] == 1.0, "the stranger's word does not count"
    assert say(2).status == 422
    assert say("good").status == 422
    assert site.call("POST", "/v1/feedback", b"{").status == 400
    assert site.call("POST", "/v1/feedback", b"{}", headers={"Authorization": "Bearer mw-wrong"}).status == 401


def test_a_shadow_is_asked_and_compared_and_answers_nobody(site: Site) -> None:
    before = facts(site)["trial"]["seen"]["calls"]
    assert facts(site)["trial"]["share"] == 0
    answered = {ask(site, f"user-{number}").headers["x-modelwright-variant"] for number in range(8)}
    assert "trial" not in answered
    patient(lambda: facts(site)["trial"]["seen"]["calls"] == before + 8)
    assert facts(site)["trial"]["seen"]["failures"] == 0


def test_a_variant_sets_its_own_parameters(site: Site) -> None:
    """The canary answers with six tokens at most, whatever is asked."""
    counted = [ask(site, "x", x_variant=name).json()["usage"]["completion_tokens"] for name in ("stable", "canary")]
    assert counted == [8, 6]


def test_wrong_names_and_weights_are_refused_with_a_remedy(site: Site) -> None:
    for words, told in [
        (("weigh", "asistant", "canary=1", "--why", "x"), "did you mean assistant?"),
        (("weigh", "assistant", "cannary=1", "--why", "x"), "did you mean canary?"),
        (("weigh", "assistant", "canary=-1", "--why", "x"), "not between 0 and 1e9"),
        (("weigh", "assistant", "stable=0", "canary=0", "--why", "x"), "give one variant a weight above 0"),
        (("weigh", "assistant", "canary=1", "--why", " "), "say why"),
        (("show", "assistant", "--since", "soon"), "24h"),
    ]:
        found = command(site, *words)
        assert found.returncode != 0
        assert told in found.stderr, found.stderr


def test_the_commands_of_the_guide_work_as_written(site: Site) -> None:
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    shown = [line for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    lines = [line[2:].partition("  #")[0].strip() for line in shown]
    commands = [line for line in lines if line.startswith("modelwright variants")]
    assert len(commands) >= 5
    for line in commands:
        words = shlex.split(line)[1:]
        found = subprocess.run(
            [*program(), *words], capture_output=True, text=True, cwd=Path(site.manifest).parent, check=False
        )
        assert found.returncode == 0, f"{line}: {found.stderr}"


def test_a_change_of_weights_disturbs_no_stream(site: Site) -> None:
    connection = HTTPConnection("127.0.0.1", site.port, timeout=30)
    body = json.dumps(
        {"model": "assistant", "stream": True, "max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}]}
    )
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {site.key}"})
    answer = connection.getresponse()
    first = answer.read(1)
    assert command(site, "weigh", "assistant", "canary=50", "--why", "half").returncode == 0
    assert (first + answer.read()).rstrip().endswith(b"data: [DONE]")
    connection.close()
