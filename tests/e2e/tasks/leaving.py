"""Leaving tasks at a running site as its clients do, and hearing of their ends as a receiver of webhooks does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.e2e.clients import ask, patient
from tests.e2e.running import Reply, Site

TASKS = "/v1/tasks"
CHAT = "/v1/chat/completions"
QUESTION = {"model": "chat", "messages": [{"role": "user", "content": "What is 3 plus 4?"}]}


class Client:
    """One key of one tenant."""

    def __init__(self, site: Site, name: str, *, tenant: str = "default") -> None:
        made = control(site, "/keys", {"name": name, "tenant": tenant})
        self.site = site
        self.id: str = made["id"]
        self.secret: str = made["key"]

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.site.call(method, path, content, headers={"Authorization": f"Bearer {self.secret}", **named})

    def leave(self, body: Any = None, *, url: str = CHAT, headers: dict[str, str] | None = None, **more: Any) -> str:
        """The id of a task that was taken."""
        reply = self.call("POST", TASKS, {"url": url, "body": body or QUESTION, **more}, **(headers or {}))
        assert reply.status == 202, reply.body
        assert reply.headers["location"] == f"{TASKS}/{reply.json()['id']}"
        return reply.json()["id"]

    def look(self, task: str) -> Any:
        reply = self.call("GET", f"{TASKS}/{task}")
        assert reply.status == 200, reply.body
        return reply.json()

    def wait(self, task: str, *statuses: str) -> Any:
        """Until it is in one of these states, or has ended."""
        wanted = statuses or ("succeeded", "failed", "cancelled", "expired")
        patient(lambda: self.look(task)["status"] in wanted, waiting_for=f"{task} to be {' or '.join(wanted)}")
        return self.look(task)

    def cancel(self, task: str) -> Any:
        reply = self.call("POST", f"{TASKS}/{task}/cancel")
        assert reply.status == 200, reply.body
        return reply.json()


def control(site: Site, path: str, body: Any = None, *, method: str = "") -> Any:
    """What control answers on its Unix socket."""
    content = b"" if body is None else json.dumps(body).encode()
    answer = ask(
        site.runtime / "control.sock", path, method=method or ("POST" if content else "GET"), body=content, within=20
    )
    assert answer.status < 300, answer.body
    return json.loads(answer.body) if answer.body else None


def rows(site: Site, calls: Sequence[str]) -> list[dict[str, Any]]:
    """What the ledger holds of these calls, once it holds all."""

    def found() -> list[dict[str, Any]]:
        return [row for call in calls for row in control(site, f"/ledger?call={call}") if row["outcome"] != "intent"]

    patient(lambda: len(found()) >= len(calls), waiting_for=f"rows of {calls}")
    return found()


class Receiver:
    """A real server that hears webhooks; it answers by the statuses given, then always 204."""

    def __init__(self, *statuses: int) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self._statuses = list(statuses)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?for=tests"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def wait(self, number: int = 1) -> None:
        patient(lambda: len(self.heard) >= number, waiting_for=f"{number} webhooks")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.paths.append(self.path)
                receiver.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status = receiver._statuses.pop(0) if receiver._statuses else 204
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        return Handler


def is_signed(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """As Standard Webhooks tells receivers to verify, with nothing of ours."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    given = [each.split(",", 1) for each in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(value, wanted) for version, value in given)
