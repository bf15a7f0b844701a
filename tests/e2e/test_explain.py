"""`modelwright explain` says what the running gateway does: the same variant for every user, header and key."""

from pathlib import Path

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
endpoints:
  assistant:
    split: {header: X-User-Id}
    variants: {stable: {serve: one, weight: 60}, canary: {serve: two, weight: 40}}
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


def explained(site: Site, endpoint: str, *words: str) -> str:
    found = modelwright("explain", endpoint, "-f", str(site.manifest), "--json", *words)
    assert found.returncode == 0, found.stderr
    return msgspec.json.decode(found.stdout)["variant"]


def test_explain_and_the_gateway_agree(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("toy")
    path = tmp_path / "modelwright.yaml"
    path.write_text(MANIFEST)
    with running(path) as site:
        by_user = {user: answered_by(site, "assistant", user=user) for user in USERS}
        by_header = {user: answered_by(site, "assistant", user="somebody", header=user) for user in USERS}
        assert set(by_user.values()) == {"stable", "canary"}
        assert by_user == {user: answered_by(site, "assistant", user=user) for user in USERS}
        assert by_user == {user: explained(site, "assistant", "--user", user) for user in USERS}
        for user in USERS[-4:]:
            words = ("--user", "somebody", "--header", f"x-user-id={user}")
            assert explained(site, "assistant", *words) == by_header[user]
        key = site.key.removeprefix("mw-").partition("-")[0]
        assert explained(site, "by-key", "--key", key) == answered_by(site, "by-key", user="somebody")
        assert explained(site, "assistant", "--key", key) == answered_by(site, "assistant")
        assert site.stop() == 0
