"""What the stand-ins of engines share: OpenAI's wire over made-up words, counted, with a key, until told to end.

A stand-in speaks the routes and the metric names of the engine that it stands in for; it computes nothing.
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PACE = 0.01
"""Seconds per word."""


class Engine(ThreadingHTTPServer):
    """Answers `gets` and OpenAI's two paths."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, *, key: str, gets: dict[str, Callable[[], tuple[int, str]]]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.key = key
        self.gets = gets
        self.posts: dict[str, Callable[[dict[str, Any]], tuple[int, str]]] = {}
        self.loaded = threading.Event()
        self.running = 0
        self.words = 0
        self.lock = threading.Lock()

    def drain(self, seconds: float) -> None:
        """Wait until nothing runs, for so long at most."""
        until = time.monotonic() + seconds
        while self.running and time.monotonic() < until:
            threading.Event().wait(0.01)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine  # type: ignore[assignment]

    def do_GET(self) -> None:
        if self.path not in self.server.gets:
            self._say(404, "{}")
        else:
            self._say(*self.server.gets[self.path]())

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path in self.server.posts:
            self._say(*self.server.posts[self.path](asked))
        elif self.server.key and self.headers["authorization"] != f"Bearer {self.server.key}":
            self._say(401, '{"error": {"message": "no key"}}')
        elif not self.server.loaded.is_set():
            self._say(503, '{"error": {"message": "loading"}}')
        else:
            self._answer(asked)

    def _answer(self, asked: dict[str, Any]) -> None:
        with self.server.lock:
            self.server.running += 1
        try:
            self._stream(asked) if asked.get("stream") else self._whole(asked)
        finally:
            with self.server.lock:
                self.server.running -= 1

    def _whole(self, asked: dict[str, Any]) -> None:
        count = int(asked.get("max_tokens", 3))
        for _ in range(count):
            self._word()
        self._hold(asked)
        text = " ".join(["word"] * count)
        choice = {
            "index": 0,
            "finish_reason": "length",
            "text": text,
            "message": {"role": "assistant", "content": text},
        }
        usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
        self._say(200, json.dumps({"model": asked["model"], "choices": [choice], "usage": usage}))

    def _stream(self, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for _ in range(int(asked.get("max_tokens", 3))):
            self._word()
            self._event({"model": asked["model"], "choices": [{"index": 0, "delta": {"content": "word "}}]})
        self._hold(asked)
        self._event({"model": asked["model"], "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _hold(self, asked: dict[str, Any]) -> None:
        """The file that `user` names keeps an answer under way for as long as it is there."""
        while asked.get("user") and Path(asked["user"]).exists():
            time.sleep(PACE)

    def _word(self) -> None:
        time.sleep(PACE)
        with self.server.lock:
            self.server.words += 1

    def _event(self, event: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(event)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def _say(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's own
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


def serve(engine: Engine) -> None:
    """On a thread of its own."""
    threading.Thread(target=engine.serve_forever, daemon=True).start()
