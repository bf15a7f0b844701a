"""A stand-in for S3: objects by PUT, GET (with ranges), HEAD and DELETE, uploads in parts, lists (version 2).

Every request's signature is computed anew.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.making.aws_signature import is_signed
from tests.making.loopback_server import LoopbackServer

REGION = "eu-central-1"
PIECE = 64 << 20
"""Bytes of a part, as our client sends them."""


STATUS = {"AccessDenied": 403, "SignatureDoesNotMatch": 403, "InvalidAccessKeyId": 403, "RequestTimeTooSkewed": 403}


class Held(NamedTuple):
    content: bytes
    since: float
    parts: int = 0

    @property
    def mark(self) -> str:
        if self.parts:
            sums = [hashlib.md5(self.content[at : at + PIECE]).digest() for at in range(0, len(self.content), PIECE)]  # noqa: S324
            return f'"{hashlib.md5(b"".join(sums)).hexdigest()}-{self.parts}"'  # noqa: S324
        return f'"{hashlib.md5(self.content).hexdigest()}"'  # noqa: S324 - as S3 has it


class Reply(NamedTuple):
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class S3Server(LoopbackServer):
    """A running one; its attributes say how it behaves from now on."""

    def __init__(self, bucket: str = "models") -> None:
        self.bucket = bucket
        self.held: dict[str, Held] = {}
        self.key_id, self.secret_key = "AKIDEXAMPLE", secrets.token_hex(20)
        self.page = 1000
        """Keys of one list."""
        self.failing = ""
        """A code that every answer fails with."""
        self.break_after = -1
        """Bytes of a body after which the next answers break off; -1: none does."""
        self.region = ""
        """Where the bucket is, when it is not here."""
        self.answered: Callable[[], None] = lambda: None
        """Called after each answer."""
        self.asked: list[str] = []
        self.uploads: dict[str, tuple[str, float, dict[int, bytes]]] = {}
        """Those in parts that are not complete: key, Unix seconds of their begin, parts."""
        super().__init__(_Handler)

    @property
    def env(self) -> dict[str, str]:
        """What AWS's tools read."""
        return {
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        }

    def hold(self, key: str, content: bytes, *, age: float = 0.0) -> None:
        self.held[key] = Held(content, time.time() - age)

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Reply:
        self.asked.append(f"{method} {target}")
        if self.failing:
            return _error(STATUS.get(self.failing, 503), self.failing)
        if self.region:
            return _error(301, "PermanentRedirect", ("x-amz-bucket-region", self.region))
        keys = (self.key_id, self.secret_key)
        if not is_signed(method, target, headers, body, keys=keys, place=(REGION, "s3")):
            return _error(403, "SignatureDoesNotMatch")
        return self._answer(method, target, headers, body)

    def _answer(self, method: str, target: str, headers: Any, body: bytes) -> Reply:
        parts = urlsplit(target)
        bucket, _, key = unquote(parts.path)[1:].partition("/")
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        if bucket != self.bucket:
            return _error(404, "NoSuchBucket")
        if not key and "uploads" in asked:
            return self._list_uploads(asked)
        if not key:
            return self._list(asked)
        match method:
            case "PUT" if "partNumber" in asked:
                self.uploads[asked["uploadId"]][2][int(asked["partNumber"])] = body
                return Reply(200, headers=(("etag", Held(body, 0).mark),))
            case "PUT":
                self.hold(key, body)
                return Reply(200, headers=(("etag", self.held[key].mark),))
            case "POST" if "uploads" in asked:
                upload = secrets.token_hex(8)
                self.uploads[upload] = (key, time.time(), {})
                return _xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")
            case "POST":
                _, _, found = self.uploads.pop(asked["uploadId"])
                self.held[key] = Held(b"".join(found[number] for number in sorted(found)), time.time(), len(found))
                return _xml("CompleteMultipartUploadResult", f"<Key>{escape(key)}</Key>")
            case "DELETE":
                if "uploadId" in asked:
                    self.uploads.pop(asked["uploadId"], None)
                else:
                    self.held.pop(key, None)
                return Reply(204)
        return self._object(method, key, headers)

    def _object(self, method: str, key: str, headers: Any) -> Reply:
        held = self.held.get(key)
        if held is None:
            return _error(404, "NoSuchKey") if method == "GET" else Reply(404)
        if headers.get("If-Match") not in {None, held.mark}:
            return _error(412, "PreconditionFailed")
        facts = (("etag", held.mark), ("last-modified", formatdate(held.since, usegmt=True)))
        span = re.fullmatch(r"bytes=(\d+)-", headers.get("Range") or "")
        if span is None:
            return Reply(200, held.content, facts)
        start, whole = int(span[1]), len(held.content)
        return Reply(206, held.content[start:], (*facts, ("content-range", f"bytes {start}-{whole - 1}/{whole}")))

    def _list_uploads(self, asked: dict[str, str]) -> Reply:
        rows = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{upload}</UploadId><Initiated>{_date(since)}</Initiated></Upload>"
            for upload, (key, since, _) in self.uploads.items()
            if key.startswith(asked.get("prefix", ""))
        )
        return _xml("ListMultipartUploadsResult", f"<IsTruncated>false</IsTruncated>{rows}")

    def _list(self, asked: dict[str, str]) -> Reply:
        after, prefix = asked.get("continuation-token", ""), asked.get("prefix", "")
        keys = sorted(key for key in self.held if key.startswith(prefix) and key > after)
        shown = keys[: self.page]
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.held[key].content)}</Size>"
            f"<ETag>{escape(self.held[key].mark)}</ETag>"
            f"<LastModified>{_date(self.held[key].since)}</LastModified>"
            "</Contents>"
            for key in shown
        )
        is_cut = len(keys) > len(shown)
        more = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if is_cut else ""
        return _xml("ListBucketResult", f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>{more}{rows}")


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))


def _xml(name: str, inside: str, status: int = 200) -> Reply:
    text = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inside}</{name}>'
    return Reply(status, text.encode(), (("content-type", "application/xml"),))


def _error(status: int, code: str, *headers: tuple[str, str]) -> Reply:
    reply = _xml("Error", f"<Code>{code}</Code><Message>refused</Message>", status)
    return reply._replace(headers=(*reply.headers, *headers))


class _Handler(BaseHTTPRequestHandler):
    site: S3Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if (self.headers.get("Expect") or "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        reply = self.site.answer(self.command, self.path, self.headers, body)
        try:
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            most = self.site.break_after
            if 0 <= most < len(reply.body) and reply.status in {200, 206}:
                self.wfile.write(reply.body[:most])
                self.close_connection = True
                return
            self.wfile.write(reply.body)
        except OSError:
            self.close_connection = True
        finally:
            self.site.answered()

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET  # noqa: N815 - as the class above has it

    def handle_expect_100(self) -> bool:
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the class above has it
        pass
