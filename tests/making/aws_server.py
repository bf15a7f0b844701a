"""A stand-in for AWS Secrets Manager: `GetSecretValue` of its JSON 1.1 protocol, behind a check of the signature."""

from __future__ import annotations

import json
import secrets
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.making.aws_signature import is_signed
from tests.making.loopback_server import LoopbackServer

REGION = "eu-central-1"


class AwsServer(LoopbackServer):
    """A running one; its attributes say how it behaves from now on."""

    def __init__(self) -> None:
        self.held: dict[str, str | bytes] = {}
        self.key_id, self.secret_key = "AKIDEXAMPLE", secrets.token_hex(20)
        self.failing = ""
        """A code that every answer fails with."""
        self.delay = 0.0
        self.asked: list[str] = []
        super().__init__(_Handler)

    def answer(self, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        """Status and JSON."""
        time.sleep(self.delay)
        if self.failing:
            return 400, {"__type": self.failing, "message": "refused"}
        keys = (self.key_id, self.secret_key)
        if not is_signed("POST", path, headers, body, keys=keys, place=(REGION, "secretsmanager")):
            return 400, {"__type": "InvalidSignatureException", "message": "the signature does not match"}
        if headers["X-Amz-Target"] != "secretsmanager.GetSecretValue":
            return 400, {"__type": "InvalidParameterException", "message": "no such action"}
        name = json.loads(body)["SecretId"]
        self.asked.append(name)
        held = self.held.get(name)
        if held is None:
            return 400, {"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find it."}
        kind = {"SecretBinary": "AAAA"} if isinstance(held, bytes) else {"SecretString": held}
        return 200, {"ARN": f"arn:aws:secretsmanager:{REGION}:1:secret:{name}-a1b2c3", "Name": name, **kind}


class _Handler(BaseHTTPRequestHandler):
    site: AwsServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, content = self.site.answer(self.path, self.headers, body)
        sent = json.dumps(content).encode()
        try:
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.1")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the class above has it
        pass
