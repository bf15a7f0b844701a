"""A stand-in for HashiCorp Vault, for there is no package of it: the few paths of its HTTP API that we use.

KV version 2 (`GET /v1/<mount>/data/<path>`), AppRole and Kubernetes login, renewal, look-up and revocation of the
calling token, namespaces by header, and its answers to what is wrong: 403 for a token that ended, 404 for what is not
there, 503 while it is sealed, 429 over a quota. After the API's documentation; no Vault was at hand to compare with.
"""

from __future__ import annotations

import json
import secrets
import ssl
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.making.loopback_server import LoopbackServer

DENIED = (403, {"errors": ["permission denied"]})


class VaultServer(LoopbackServer):
    """A running one; its attributes say how it behaves from now on."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.held: dict[str, dict[str, Any] | None] = {}
        """By path below the mount; None: its last version was deleted."""
        self.mount = "secret"
        self.namespace = ""
        self.role_id, self.secret_id, self.jwt = "role", secrets.token_hex(16), secrets.token_hex(16)
        self.lease = 3600.0
        self.renewals = 100
        """How often a token may be renewed."""
        self.sealed = False
        self.limited = False
        self.delay = 0.0
        self.garbage = False
        self.forbidden: set[str] = set()
        self.asked: list[str] = []
        self.tokens: dict[str, float] = {}
        """When each ends (monotonic)."""
        super().__init__(_Handler, tls=tls)

    def count(self, what: str) -> int:
        """How often something was asked."""
        return sum(what in one for one in self.asked)

    def answer(self, method: str, path: str, *, headers: Any, body: Any) -> tuple[int, Any]:
        """Status and JSON."""
        self.asked.append(f"{method} {path}")
        time.sleep(self.delay)
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if self.limited:
            return 429, {"errors": [f'request path "{path}": rate limit quota exceeded']}
        if headers.get("X-Vault-Namespace", "").strip("/") != self.namespace:
            return 404, {"errors": [f'no handler for route "{path}". route entry not found.']}
        parts = path.removeprefix("/v1/").split("/")
        if parts[0] == "auth":
            return self._auth(parts[1:], headers.get("X-Vault-Token", ""), body)
        if not self._is_live(headers.get("X-Vault-Token", "")):
            return DENIED
        if parts[0] != self.mount:
            return 404, {"errors": [f'no handler for route "{path}". route entry not found.']}
        return self._secret("/".join(parts[2:])) if parts[1:2] == ["data"] else (404, {"errors": []})

    def make_token(self, lease: float | None = None) -> str:
        """A token, as an operator makes one."""
        token = f"hvs.{secrets.token_hex(16)}"
        self.tokens[token] = time.monotonic() + (self.lease if lease is None else lease)
        return token

    def _secret(self, path: str) -> tuple[int, Any]:
        if path in self.forbidden:
            return DENIED
        if path not in self.held:
            return 404, {"errors": []}
        data = self.held[path]
        metadata = {"version": 1, "deletion_time": "" if data is not None else "2026-01-01T00:00:00Z"}
        return 200 if data is not None else 404, {"data": {"data": data, "metadata": metadata}}

    def _auth(self, parts: list[str], token: str, body: Any) -> tuple[int, Any]:
        match parts:
            case ["approle", "login"]:
                if (body["role_id"], body["secret_id"]) != (self.role_id, self.secret_id):
                    return 400, {"errors": ["invalid role or secret ID"]}
                return self._granted(self.make_token())
            case ["kubernetes", "login"]:
                return self._granted(self.make_token()) if body["jwt"] == self.jwt else DENIED
            case _ if not self._is_live(token):
                return DENIED
            case ["token", "lookup-self"]:
                return 200, {"data": {"ttl": int(self.tokens[token] - time.monotonic()), "renewable": True}}
            case ["token", "renew-self"]:
                if self.renewals <= 0:
                    return 400, {"errors": ["lease is not renewable"]}
                self.renewals -= 1
                self.tokens[token] = time.monotonic() + self.lease
                return self._granted(token)
            case ["token", "revoke-self"]:
                del self.tokens[token]
                return 204, None
            case _:
                return 404, {"errors": []}

    def _granted(self, token: str) -> tuple[int, Any]:
        return 200, {"auth": {"client_token": token, "lease_duration": self.lease, "renewable": True}}

    def _is_live(self, token: str) -> bool:
        return self.tokens.get(token, 0.0) > time.monotonic()


class _Handler(BaseHTTPRequestHandler):
    site: VaultServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, content = self.site.answer(
            method, self.path, headers=self.headers, body=json.loads(body) if body else None
        )
        sent = b"<html>" if self.site.garbage else json.dumps(content).encode() if content is not None else b""
        try:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the class above has it
        pass
