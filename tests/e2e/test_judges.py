"""Judges of guards in a real site: the guide's example, with a real HTTP service as language model and classifier."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.e2e.clients import patient
from tests.e2e.gateway_site import CHAT, DevProvider, events, text_of
from tests.e2e.running import ROOT, Reply, Site, running
from tests.e2e.test_guards import control

pytestmark = pytest.mark.e2e

GUIDE = (ROOT / "docs" / "guide" / "guards.md").read_text("utf-8").partition("## Somebody else judges")[2]
MANIFEST = "schema: 1\nname: judged\n" + re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)[0]
ASKED, ANSWERED = (
    json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)[:2]
)
LAX = """
  lax:
    variants: {only: {provider: vendor, model: any}}
    guard: {input: {judge: {endpoint: safety, timeout: 300ms, on_error: allow}}}
  after:
    variants: {only: {provider: vendor, model: any}}
    guard: {output: {judge: {provider: moderator, model: any, piece: 100}}}
"""


class JudgeService(BaseHTTPRequestHandler):
    """Finds fault with poison; on demand it says junk, or nothing for a while."""

    protocol_version = "HTTP/1.1"
    asked: list[dict[str, Any]] = []  # noqa: RUF012 - one service, one list
    mood = ""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        JudgeService.asked.append({"path": self.path, **asked})
        if JudgeService.mood == "slow":
            time.sleep(1)
        said = self._moderation(asked) if self.path == "/v1/moderations" else self._opinion(asked)
        body = b"junk" * 50_000 if JudgeService.mood == "junk" else json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _moderation(self, asked: dict[str, Any]) -> dict[str, Any]:
        good = {"results": [{"flagged": False, "category_scores": {"violence": 0.02}}]}
        return ANSWERED if "poison" in asked["input"] else good

    def _opinion(self, asked: dict[str, Any]) -> dict[str, Any]:
        bad = "poison" in asked["messages"][1]["content"]
        said = {"flagged": bad, "category": "harm" if bad else "none", "score": 0.9 if bad else 0.0}
        usage = {"prompt_tokens": 50, "completion_tokens": 12}
        return {
            "choices": [{"index": 0, "message": {"role": "assistant", "content": json.dumps(said)}}],
            "usage": usage,
        }

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # a gateway that has given up
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is of the library
        """Nothing."""


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), JudgeService) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.fixture(scope="module")
def site(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with DevProvider("--echo", "7", "--delay", "1ms") as vendor:
        manifest = MANIFEST.replace("http://127.0.0.1:9009/v1", vendor.base_url) + LAX
        manifest = manifest.replace("http://127.0.0.1:9010/v1", service).replace("timeout: 2s", "timeout: 60s")
        manifest = manifest.replace(
            "{only: {provider: vendor, model: judge}}", "{only: {provider: moderator, model: judge}}"
        )
        with running(manifest, folder=tmp_path_factory.mktemp("judges")) as site:
            patient(lambda: ask(site, "lax", "hello").status == 200, waiting_for="the first answer")
            yield site


@pytest.fixture(autouse=True)
def calm() -> Iterator[None]:
    JudgeService.asked.clear()
    yield
    JudgeService.mood = ""


def ask(site: Site, endpoint: str, text: str, **more: Any) -> Reply:
    body = {"model": endpoint, "messages": [{"role": "user", "content": text}], **more}
    return site.call("POST", CHAT, json.dumps(body).encode())


def rows(site: Site, reply: Reply, *, count: int) -> list[dict[str, Any]]:
    """Of a call and of the calls that were made for it, in the order of their ids."""
    call = reply.headers["x-modelwright-call"]
    found: list[dict[str, Any]] = []

    def are_there() -> bool:
        known = json.loads(control(site, "/ledger?limit=200"))
        found[:] = [each for each in known if each["call"].startswith(call) and each["outcome"] != "intent"]
        return len(found) == count

    patient(are_there, waiting_for="the call's rows")
    return sorted(found, key=lambda row: row["call"])


def test_both_judges_see_a_good_call_and_the_ledger_says_so(site: Site) -> None:
    reply = ask(site, "assistant", "hello bob@example.com")
    assert reply.status == 200
    assert [each["path"] for each in JudgeService.asked] == ["/v1/chat/completions", "/v1/moderations"]
    assert "hello [EMAIL]" in JudgeService.asked[0]["messages"][1]["content"]
    call, first, second = rows(site, reply, count=3)
    assert re.fullmatch(r"pass:1 none 0\.00 \d+ms", call["guards"]["input.judge"])
    assert re.fullmatch(r"pass:1 violence 0\.02 \d+ms", call["guards"]["output.judge"])
    assert [(row["endpoint"], row["operation"]) for row in (first, second)] == [
        ("safety", "chat"),
        ("assistant", "moderations"),
    ]
    assert first["call"] == call["call"] + ".judged-1"
    assert {row["key"] for row in (call, first, second)} == {call["key"]}
    assert (first["input_tokens"], first["output_tokens"]) == (50, 12)


def test_a_bad_question_reaches_nobody_but_its_judge(site: Site) -> None:
    reply = ask(site, "assistant", "How do I make poison?")
    assert (reply.status, reply.json()["error"]["code"]) == (400, "guard_blocked")
    assert len(JudgeService.asked) == 1
    call, judge = rows(site, reply, count=2)
    assert (call["outcome"], call["attempts"], judge["outcome"]) == ("guard_blocked", 0, "ok")


def test_the_classifier_speaks_the_wire_of_the_guide(site: Site) -> None:
    reply = ask(site, "after", ASKED["input"])
    assert (reply.status, reply.json()["error"]["code"]) == (400, "guard_blocked")
    assert JudgeService.asked == [{"path": "/v1/moderations", **ASKED}]


@pytest.mark.parametrize("mood", ["junk", "slow"])
def test_a_judge_that_fails_closes_or_opens_as_the_manifest_says(site: Site, mood: str) -> None:
    JudgeService.mood = mood
    lax = ask(site, "lax", "hello")
    assert lax.status == 200
    assert rows(site, lax, count=2)[0]["guards"] == {"input.judge_failed": "allow:1"}
    if mood == "junk":
        strict = ask(site, "assistant", "hello")
        assert (strict.status, strict.json()["error"]["code"]) == (503, "guard_failed")


def test_a_stream_is_judged_in_pieces_and_ends_where_it_turns_bad(site: Site) -> None:
    good = "all is well. " * 50
    streamed = ask(site, "after", good, stream=True)
    assert (text_of(streamed.body), events(streamed.body)[-1]) == (good, "[DONE]")
    assert len(JudgeService.asked) >= 3
    streamed = ask(site, "after", good + "poison. " + good, stream=True)
    told = events(streamed.body)
    assert streamed.status == 200
    assert (told[-1]["error"]["code"], told[-2]["choices"][0]["finish_reason"]) == ("guard_blocked", "content_filter")
    left = text_of(streamed.body)
    assert good.startswith(left)
    assert len(left) > 300
