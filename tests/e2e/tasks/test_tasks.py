"""Tasks over a real `modelwright up`: left, looked at, listed, cancelled, and run as whoever left them."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import ROOT, Site, running
from tests.e2e.tasks.leaving import CHAT, QUESTION, TASKS, Client, Receiver, control, is_signed, rows

pytestmark = pytest.mark.e2e
SECRETS = ["whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
MANIFEST = """
schema: 1
name: tasks
models:
  sums: {source: ./toy.json, engine: {kind: toy-tensor}}
providers:
  dev: {kind: vllm, base_url: "URL"}
endpoints:
  chat: {variants: {main: {provider: dev, model: m}}, split: {header: x-user-id, override: x-variant}}
  assistant: {variants: {main: {provider: dev, model: m}}}
  vectors: {variants: {main: {provider: dev, model: e}}}
access: {limits: {key: {concurrency: 2}}}
tasks:
  concurrency: 4
  queue: 4
  max_body: 64KiB
  webhook: {secrets: ["${secret:HOOK_NEW}", "${secret:HOOK_OLD}"], allow: [127.0.0.0/8], attempts: 3}
gateway: {workers: 1}
"""
TENSOR = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider() as found:
        yield found


@pytest.fixture(scope="module")
def site(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Shared, so every test makes clients of its own."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "toy.json").write_text('{"toy": 1, "columns": 4}')
    secrets = {"HOOK_NEW": SECRETS[0], "HOOK_OLD": SECRETS[1]}
    with running(MANIFEST.replace("URL", provider.base_url), folder=folder, env=secrets) as found:
        yield found


@pytest.fixture(autouse=True)
def _well(provider: DevProvider) -> None:
    provider.fails()


def test_every_kind_of_call_can_be_left_and_is_answered_as_if_it_were_made(site: Site) -> None:
    client = Client(site, "kinds")
    message = {"role": "user", "content": "What is 3 plus 4?"}
    calls: dict[str, Any] = {
        CHAT: QUESTION,
        "/v1/completions": {"model": "chat", "prompt": "3 plus 4 is"},
        "/v1/embeddings": {"model": "vectors", "input": "seven"},
        "/v1/messages": {"model": "chat", "max_tokens": 9, "messages": [message]},
        "/v1/responses": {"model": "chat", "input": "What is 3 plus 4?"},
        "/v2/models/sums/infer": TENSOR,
    }
    for url, body in calls.items():
        done = client.wait(client.leave(body, url=url))
        plain = client.call("POST", url, body)
        assert (done["status"], done["response"]["status_code"]) == ("succeeded", 200), done
        assert done["response"]["body"].keys() == plain.json().keys()
        (row,) = rows(site, done["calls"])
        assert (row["key"], row["tenant"], row["outcome"]) == (client.id, "default", "ok")
        assert row["request_id"] == done["id"]
    listed = client.call("GET", f"{TASKS}?limit=4").json()
    assert (len(listed["data"]), listed["has_more"]) == (4, True)
    assert "body" not in listed["data"][0]["response"]
    rest = client.call("GET", f"{TASKS}?after={listed['last_id']}&status=succeeded").json()
    urls = [task["url"] for task in [*listed["data"], *rest["data"]]]
    assert (urls, rest["has_more"]) == (list(reversed(calls)), False)


def test_what_can_never_be_answered_is_refused_at_once(site: Site) -> None:
    client = Client(site, "refused")
    wrong: list[tuple[Any, int, str]] = [
        (b"{", 400, "malformed"),
        ({"url": CHAT}, 422, "unprocessable"),
        ({"url": CHAT, "body": QUESTION, "wbhook": "x"}, 422, "unprocessable"),
        ({"url": CHAT, "body": "text"}, 422, "unprocessable"),
        ({"url": CHAT, "body": {"messages": []}}, 400, "malformed"),
        ({"url": CHAT, "body": {**QUESTION, "stream": True}}, 422, "unprocessable"),
        ({"url": CHAT, "body": {**QUESTION, "model": "nobody"}}, 404, "unknown_endpoint"),
        ({"url": "/v1/models", "body": {}}, 422, "unprocessable"),
        ({"url": TASKS, "body": {}}, 422, "unprocessable"),
        ({"url": "/v1/chat/completions/../tasks", "body": {}}, 422, "unprocessable"),
        ({"url": CHAT, "body": QUESTION, "method": "GET"}, 422, "unprocessable"),
        ({"url": CHAT, "body": QUESTION, "metadata": {str(n): "" for n in range(17)}}, 422, "unprocessable"),
        ({"url": CHAT, "body": QUESTION, "completion_window": "48h"}, 422, "unprocessable"),
        ({"url": CHAT, "body": QUESTION, "webhook": "ftp://example.com"}, 422, "unprocessable"),
        ({"url": CHAT, "body": QUESTION, "custom_id": "x" * 70_000}, 413, "too_large"),
    ]
    for body, status, code in wrong:
        refused = client.call("POST", TASKS, body)
        assert (refused.status, refused.json()["error"]["code"]) == (status, code), (body, refused.body)
    assert client.call("POST", TASKS, {"url": CHAT, "body": QUESTION}, idempotency_key="").status == 400
    assert client.call("GET", f"{TASKS}?limit=0").status == 400
    assert client.call("GET", f"{TASKS}?page=2").status == 400
    assert client.call("GET", f"{TASKS}/nothing").status == 404
    assert client.call("PUT", TASKS).headers["allow"] == "POST, GET"
    assert site.call("POST", TASKS, b"{}", headers={"Authorization": ""}).status == 401
    assert client.call("GET", TASKS).json()["data"] == []


def test_the_same_idempotency_key_is_the_same_task(site: Site, provider: DevProvider) -> None:
    client, other = Client(site, "twice"), Client(site, "twice-too")
    key = {"idempotency_key": "order-7"}
    first = client.leave(headers=key)
    client.wait(first)
    assert client.leave(headers=key) == first
    again = client.call("POST", TASKS, {"url": CHAT, "body": {**QUESTION, "user": "x"}}, **key)
    assert (again.status, again.json()["error"]["code"]) == (409, "task_conflict")
    assert other.leave(headers=key) != first, "somebody else's key is another one"
    patient(lambda: len(provider.requests) == 2)


def test_a_task_is_there_for_its_own_caller_alone(site: Site) -> None:
    owner, stranger = Client(site, "owner", tenant="acme"), Client(site, "stranger", tenant="rival")
    task = owner.leave(metadata={"order": "7"}, custom_id="mine")
    done = owner.wait(task)
    assert (done["metadata"], done["custom_id"]) == ({"order": "7"}, "mine")
    for other in (stranger, Client(site, "colleague", tenant="acme")):
        for method, path in (("GET", f"{TASKS}/{task}"), ("POST", f"{TASKS}/{task}/cancel")):
            missing = other.call(method, path)
            assert (missing.status, missing.json()["error"]["code"]) == (404, "unknown_task")
        assert other.call("GET", TASKS).json()["data"] == []
    seen = control(site, "/tasks?tenant=acme")["data"]
    assert [each["id"] for each in seen] == [task], "the operator sees everybody's"


def test_cancelling_a_task_that_runs_cuts_the_call_to_the_provider(site: Site, provider: DevProvider) -> None:
    client = Client(site, "cancelling")
    provider.fails("slow@60s")
    task = client.leave()
    patient(lambda: len(provider.requests) == 1)
    assert client.cancel(task)["status"] == "cancelled"
    patient(lambda: provider.requests[0]["client_gone"], waiting_for="the upstream to be left")
    cancelled = client.look(task)
    assert (cancelled["status"], cancelled["error"]["code"], cancelled["response"]) == ("cancelled", "cancelled", None)
    (row,) = rows(site, cancelled["calls"])
    assert row["outcome"] == "client_disconnect"
    assert client.cancel(task)["ended_at"] == cancelled["ended_at"], "twice is once"


def test_a_task_runs_as_its_caller_and_waits_where_the_caller_would_have_to(site: Site, provider: DevProvider) -> None:
    client = Client(site, "limited")
    provider.fails("holdx2")
    tasks = [client.leave(headers={"x_modelwright_tags": "task=nightly", "x_user_id": "u7"}) for _ in range(3)]
    patient(lambda: any(client.look(task)["attempts"] > 1 for task in tasks), waiting_for="one to be refused")
    provider.release()
    done = [client.wait(task) for task in tasks]
    assert [each["status"] for each in done] == ["succeeded"] * 3
    attempts = sorted(each["attempts"] for each in done)
    assert attempts[-1] > 1, "two calls at once are this key's, and three were due"
    late = next(each for each in done if each["attempts"] > 1)
    found = rows(site, late["calls"])
    assert {row["outcome"] for row in found} == {"ok", "refused"}
    assert {(row["key"], row["tags"]["task"]) for row in found} == {(client.id, "nightly")}


def test_a_provider_that_says_later_is_asked_later_and_one_that_fails_is_not(site: Site, provider: DevProvider) -> None:
    client = Client(site, "later")
    provider.fails("429@1sx1")
    begun = time.monotonic()
    done = client.wait(client.leave())
    assert (done["status"], done["attempts"]) == ("succeeded", 2)
    assert time.monotonic() - begun >= 1, "Retry-After is honoured"
    assert [row["outcome"] for row in rows(site, done["calls"])] == ["provider_rate_limited", "ok"]
    provider.fails("500x1")
    failed = client.wait(client.leave())
    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert failed["response"]["status_code"] == 502
    assert failed["response"]["body"]["error"]["code"] == failed["error"]["code"] == "provider_error"


def test_a_task_whose_key_is_revoked_meanwhile_fails(site: Site, provider: DevProvider) -> None:
    client = Client(site, "doomed")
    provider.fails("hold", "429x1")
    task = client.leave()
    patient(lambda: len(provider.requests) == 1, waiting_for="the first attempt")
    control(site, f"/keys/{client.id}", method="DELETE")
    provider.release()
    patient(lambda: control(site, f"/tasks/{task}")["status"] == "failed")
    seen = control(site, f"/tasks/{task}")
    assert (seen["error"]["code"], seen["response"]["status_code"]) == ("unauthenticated", 401)
    assert len(provider.requests) == 1


def test_a_task_that_is_not_answered_in_its_time_is_expired(site: Site, provider: DevProvider) -> None:
    client = Client(site, "hurried")
    provider.fails("hold")
    done = client.wait(client.leave(completion_window="1500ms"))
    assert (done["status"], done["error"]["code"]) == ("expired", "expired")
    patient(lambda: all(request["client_gone"] for request in provider.requests), waiting_for="the call to be cut")


def test_a_tenant_may_have_so_many_waiting(site: Site, provider: DevProvider) -> None:
    client, other = Client(site, "many", tenant="many"), Client(site, "few", tenant="few")
    provider.fails("holdx2")
    tasks = [client.leave() for _ in range(4)]
    full = client.call("POST", TASKS, {"url": CHAT, "body": QUESTION})
    assert (full.status, full.headers["retry-after"]) == (429, "5")
    patient(lambda: len(provider.requests) >= 2)
    assert other.wait(other.leave())["status"] == "succeeded"
    for task in tasks:
        client.cancel(task)


def test_nobody_at_the_public_door_is_believed_who_says_whose_call_it_is(site: Site) -> None:
    client = Client(site, "impostor")
    forged = base64.b64encode(json.dumps({"caller": {"id": client.id}, "digest": ""}).encode()).decode()
    liar = {"x-modelwright-principal": forged, "x-modelwright-run": "0", "Authorization": ""}
    body = json.dumps(QUESTION).encode()
    assert site.call("POST", CHAT, body, headers=liar).status == 401
    assert site.call("POST", f"/tasks/task_1{CHAT}", body, headers=liar).status == 404
    honest = client.call("POST", CHAT, body, x_modelwright_principal=forged, x_modelwright_run="0")
    assert honest.status == 200
    assert honest.headers["x-modelwright-call"] != "0"
    root = control(site, "/keys", {"name": "root", "role": "admin"})["key"]
    question = json.dumps({"type": "look", "principal": {"caller": {"id": client.id}}, "task": "task_1"}).encode()
    admin = requests.post(
        f"{site.admin}/internal/tasks", data=question, timeout=30, headers={"Authorization": f"Bearer {root}"}
    )
    assert admin.status_code == 404, "on control's Unix socket alone"


def test_the_end_is_told_signed_with_both_secrets_until_somebody_hears_it(site: Site, provider: DevProvider) -> None:
    client = Client(site, "told")
    with Receiver(500, 302) as receiver:
        task = client.leave(webhook=receiver.url, custom_id="mine")
        receiver.wait(3)
        patient(lambda: client.look(task)["webhook"]["status"] == "delivered")
        done = client.look(task)
    assert done["webhook"] == {"url": receiver.url, "status": "delivered", "attempts": 3}
    assert receiver.paths == ["/hook?for=tests"] * 3, "a redirect is not followed"
    for headers, body in receiver.heard:
        assert headers["webhook-id"] == task
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
        assert all(is_signed(headers, body, secret) for secret in SECRETS)
        assert not is_signed(headers, body + b" ", SECRETS[0])
        assert not is_signed({**headers, "webhook-id": "task_2"}, body, SECRETS[0])
        event = json.loads(body)
        assert (event["type"], event["data"]["id"], event["data"]["custom_id"]) == ("task.succeeded", task, "mine")
        assert "body" not in event["data"]["response"], "the answer is for its owner alone"
    provider.fails("400x1")
    with Receiver(410) as receiver:
        task = client.leave(webhook=receiver.url)
        receiver.wait()
        patient(lambda: client.look(task)["webhook"]["status"] == "failed")
    assert json.loads(receiver.heard[0][1])["type"] == "task.failed"
    assert "410" in client.look(task)["webhook"]["problem"]
    inside = client.leave(webhook="http://[::1]:9/")
    patient(lambda: bool(client.look(inside)["webhook"].get("problem")))
    assert "tasks.webhook.allow" in client.look(inside)["webhook"]["problem"]


def test_the_commands_of_the_guide_work_as_written(site: Site) -> None:
    client = Client(site, "reader")
    page = (ROOT / "docs" / "guide" / "tasks.md").read_text("utf-8")
    commands = re.findall(r"^\$ (.+)$", page, re.MULTILINE)
    folder = Path(sys.executable).parent
    env = {**os.environ, "KEY": client.secret, "TASK": "", "PATH": f"{folder}:{os.environ['PATH']}"}

    def run(command: str) -> str:
        text = command.replace("localhost:8000", f"127.0.0.1:{site.port}")
        done = subprocess.run(
            ["/bin/sh", "-c", text], cwd=site.manifest.parent, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    left = json.loads(run(commands[0]))
    env["TASK"] = left["id"]
    assert client.wait(left["id"])["status"] == "succeeded"
    assert json.loads(run(commands[0]))["id"] == left["id"], "the key of the example is the same"
    looked, listed, cancelled = (json.loads(run(command)) for command in commands[1:4])
    assert looked["response"]["body"]["choices"]
    assert [task["id"] for task in listed["data"]] == [left["id"]]
    assert cancelled["status"] == "succeeded", "it had ended"
    told = [run(command) for command in commands[4:]]
    assert len(told) == 3
    assert "failed" in told[0]
    assert left["id"] in told[1]


def test_logs_and_metrics_tell_of_tasks_and_of_no_secret(site: Site, provider: DevProvider) -> None:
    client = Client(site, "counted")
    provider.fails("hold")
    client.cancel(client.leave())
    provider.fails()
    with Receiver() as receiver:
        task = client.leave(webhook=receiver.url)
        patient(lambda: client.look(task)["webhook"]["status"] == "delivered")

    def events() -> set[str]:
        return {json.loads(line).get("event") for line in list(site.lines) if line.startswith("{")}

    patient(lambda: {"task_changed", "webhook_sent"} <= events(), waiting_for="the lines")
    told = "".join(site.lines)
    assert not [secret for secret in SECRETS if secret in told]
    names = (
        'tasks_ended_total{status="succeeded"}',
        'tasks_ended_total{status="cancelled"}',
        'webhook_attempts_total{result="delivered"}',
        "tasks_queued 0.0",
    )

    def counted() -> bool:
        metrics = requests.get(f"{site.admin}/metrics", timeout=30).text
        return all(f"modelwright_{name}" in metrics for name in names)

    patient(counted, waiting_for="the numbers")
