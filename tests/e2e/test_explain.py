"""`modelwright explain` says what the running gateway does: the same variant for every user, header and key."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.running import Site, modelwright, running

pytestmark = pytest.mark.e2e
USERS = [f"user-{number}" for number in range(12)] + ["é", "用户", "a b"]
MANIFEST = """
schema: 1
name: shares
models:
  one: {source: ./one.txt, engine: {kind: toy-text}}
  two: {source: ./two.txt, engine: {kind: toy-text}}
prompts: {short: {source: ./prompts/, aliases: {live: v1}}}
access:
  limits: {tenant: {requests: 10k/hour}, keys: {tests: {requests: 5k/hour}}, tenants: {acme: {requests: 20k/hour}}}
endpoints:
  assistant:
    split: {header: X-User-Id}
    variants: {stable: {serve: one, weight: 60}, canary: {serve: two, weight: 40, prompt: short@live}}
  by-key:
    split: {by: key}
    variants: {stable: {serve: one}, canary: {serve: two}}
gateway: {listen: "127.0.0.1:0", admin: "127.0.0.1:0"}
"""


def answered_by(site: Site, endpoint: str, *, user: str = "", header: str = "") -> str:
    body = {"model": endpoint, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    headers = {"x-user-id": header.encode().decode("latin-1")} if header else {}
    reply = site.call(
        "POST", "/v1/chat/completions", msgspec.json.encode(body | ({"user": user} if user else {})), headers=headers
    )
    assert reply.status == 200, reply.body
    return reply.headers["x-modelwright-variant"]


def told(site: Site, endpoint: str, *words: str) -> Any:
    found = modelwright("explain", endpoint, "-f", str(site.manifest), "--json", *words)
    assert found.returncode == 0, found.stderr
    return msgspec.json.decode(found.stdout)


def explained(site: Site, endpoint: str, *words: str) -> str:
    return told(site, endpoint, *words)["variant"]


def test_explain_and_the_gateway_agree(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("toy")
    (tmp_path / "prompts").mkdir()
    for version in ("v1", "v2"):
        (tmp_path / "prompts" / f"{version}.md").write_text(f"This is {version}.")
    path = tmp_path / "modelwright.yaml"
    path.write_text(MANIFEST)
    with running(path) as site:
        by_user = {user: answered_by(site, "assistant", user=user) for user in USERS}
        by_header = {user: answered_by(site, "assistant", user="somebody", header=user) for user in USERS}
        assert set(by_user.values()) == {"stable", "canary"}
        assert by_user == {user: answered_by(site, "assistant", user=user) for user in USERS}
        for user in (*USERS[:3], *USERS[-3:]):
            assert explained(site, "assistant", "--user", user) == by_user[user]
        for user in USERS[-2:]:
            words = ("--user", "somebody", "--header", f"x-user-id={user}")
            assert explained(site, "assistant", *words) == by_header[user]
        key = site.key.removeprefix("mw-").partition("-")[0]
        assert explained(site, "by-key", "--key", key) == answered_by(site, "by-key", user="somebody")
        assert explained(site, "assistant", "--key", key) == answered_by(site, "assistant")
        what_changes_while_it_runs(site)
        assert site.stop() == 0
        offline = told(site, "assistant", "--user", USERS[0])
        assert (offline["told_by"], offline["shares"][1]["weight"], offline["shares"][1]["prompt"]) == (
            "file", 40, "short@v1"
        )  # fmt: skip


def what_changes_while_it_runs(site: Site) -> None:
    """Weights and aliases as they are now, the limits of this key, and what it may call."""
    for words in (
        ("variants", "weigh", "assistant", "stable=0", "canary=1", "--why", "a test"),
        ("prompts", "alias", "short", "live", "v2", "--why", "a test"),
    ):
        done = modelwright(*words, "-f", str(site.manifest))
        assert done.returncode == 0, done.stderr
    created = modelwright(
        "keys", "create", "tests", "--tenant", "acme", "--endpoint", "assistant", "-f", str(site.manifest), "--json"
    )
    made = msgspec.json.decode(created.stdout)
    body = msgspec.json.encode({"model": "assistant", "messages": [], "user": "u", "max_tokens": 1})
    bearer = {"Authorization": f"Bearer {made['key']}"}
    reply = site.call("POST", "/v1/chat/completions", body, headers=bearer)
    found = told(site, "assistant", "--user", "u", "--key", "tests")
    assert (
        (found["told_by"], found["variant"])
        == ("gateway", reply.headers["x-modelwright-variant"])
        == ("gateway", "canary")
    )
    assert [share["prompt"] for share in found["shares"]] == ["", "short@v2"]
    limits = {limit["by"]: (limit["subject"], limit["limit"]) for limit in found["limits"]}
    assert limits == {"tenant": ("acme", "20000 requests per hour"), "key": (made["id"], "5000 requests per hour")}
    assert reply.headers["x-ratelimit-limit-requests"] == "5000"
    assert told(site, "by-key", "--key", "tests")["reason"] == f"key {made['id']} may not call it"
    unknown = modelwright("explain", "assistant", "--key", "nobody", "-f", str(site.manifest))
    assert "no live key has the id or name 'nobody'" in unknown.stderr
