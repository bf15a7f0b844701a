"""A stand-in for `ollama`: `serve` knows a model once `create` has made it, and loads it at the first request."""

import json
import os
import signal
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

from standin import Engine, Handler, serve

HOST = os.environ["OLLAMA_HOST"]


def create(name: str, file: str) -> None:
    """As the program asks its server."""
    body = json.dumps({"model": name, "modelfile": Path(file).read_text()}).encode()
    with urllib.request.urlopen(f"http://{HOST}/api/create", body, timeout=30) as answer:
        print(answer.read().decode())


def serving() -> None:
    known = Path(os.environ["OLLAMA_MODELS"])
    known.mkdir(parents=True, exist_ok=True)

    def made(asked: dict[str, Any]) -> tuple[int, str]:
        words = asked["modelfile"].split()
        if words[0] != "FROM" or not Path(words[1]).exists():
            return 400, '{"error": "no such file"}'
        (known / asked["model"]).touch()
        return 200, '{"status": "success"}'

    class Late(Handler):
        def _answer(self, asked: dict[str, Any]) -> None:
            if not (known / asked["model"]).exists():
                self._say(404, '{"error": {"message": "model not found"}}')
            elif os.environ["OLLAMA_KEEP_ALIVE"] != "-1" or int(os.environ["OLLAMA_NUM_PARALLEL"]) < 2:
                self._say(500, '{"error": {"message": "told wrongly"}}')
            else:
                super()._answer(asked)

    engine = Engine(int(HOST.rpartition(":")[2]), key="", gets={"/api/version": lambda: (200, '{"version": "0"}')})
    engine.RequestHandlerClass = Late
    engine.posts["/api/create"] = made
    engine.loaded.set()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    serve(engine)
    ended.wait()
    engine.drain(60)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serving()
    else:
        _, _, name, _, file = sys.argv
        create(name, file)
