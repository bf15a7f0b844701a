"""Files over HTTPS for tests: whole or from a byte on, redirects, breaks on demand; the certificate is localhost's."""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.making.loopback_server import LoopbackServer


class FileServer(LoopbackServer):
    """A running one; its attributes say how it behaves from now on."""

    def __init__(self, certificates: Path) -> None:
        """`certificates` is the folder that tests.making.certificates has made."""
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.break_after = -1
        """Bytes of a body after which each answer breaks off; -1: none does."""
        self.takes_ranges = True
        self.marks = False
        """Answers have an ETag, and ranges are given only of what a client has the ETag of."""
        self.raw: dict[str, bytes] = {}
        """What is written as it is, head and all, before the connection is closed; by path."""
        self.answered: Callable[[], None] = lambda: None
        """Called after each answer."""
        self.drip = 0
        """Bytes after which an answer goes on only byte by byte, ten a second; 0: none does."""
        self.status = 0
        """Of every answer; 0: as it should be."""
        self.asked: list[tuple[str, str]] = []
        """(path, range)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        super().__init__(_Handler, host="localhost", tls=context)


class _Handler(BaseHTTPRequestHandler):
    site: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, span = self.path.partition("?")[0], self.headers.get("range") or ""
        self.site.asked.append((path, span))
        content = self.site.files.get(path)
        mark = f'"{hashlib.sha256(content or b"").hexdigest()}"'
        known = self.headers.get("if-range") or mark
        facts = {"etag": mark} if self.site.marks else {}
        if path in self.site.raw:
            self._write(self.site.raw[path])
            self.close_connection = True
        elif path in self.site.redirects:
            self._answer(302, location=self.site.redirects[path])
        elif self.site.status or content is None:
            self._answer(self.site.status or 404)
        elif (found := re.fullmatch(r"bytes=(\d+)-", span)) and self.site.takes_ranges and known == mark:
            start, whole = int(found[1]), len(content)
            if start >= whole:
                self._answer(416, content_range=f"bytes */{whole}")
            else:
                self._answer(206, content[start:], content_range=f"bytes {start}-{whole - 1}/{whole}", **facts)
        else:
            self._answer(200, content, **facts)
        self.site.answered()

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        most = self.site.break_after
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.close_connection = self.close_connection or 0 <= most < len(body)
        except OSError:
            self.close_connection = True
        self._write(body if most < 0 else body[:most])

    def _write(self, body: bytes) -> None:
        at_once = self.site.drip or len(body)
        try:
            self.wfile.write(body[:at_once])
            for byte in body[at_once:]:
                time.sleep(0.1)
                self.wfile.write(bytes([byte]))
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the class above has it
        pass
