"""The knowledge base of the examples for tests: its back end as users start it, and a browser's side of its streams."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from uuid import UUID, uuid4

from tests.e2e.clients import patient
from tests.e2e.running import ROOT, Reply, Site
from tests.making.ports import free_port

EXAMPLE = ROOT / "examples" / "knowledge-base"
BACKEND = EXAMPLE / "backend"


def migrated(url: str) -> subprocess.CompletedProcess[str]:
    """`alembic upgrade head`, as `release_command` runs it."""
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    return subprocess.run(command, cwd=BACKEND, env=_env(url), capture_output=True, text=True, check=False, timeout=120)


class Door:
    """Where the application answers: its back end, or the edge in front of it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def call(self, method: str, path: str, body: Any = None, *, visitor: UUID | None = None) -> Reply:
        """One request; status 0 when nobody has answered it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **_cookie(visitor)}
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, {}, repr(error).encode())
        finally:
            connection.close()

    def ask(self, visitor: UUID, text: str, *, conversation: UUID | None = None, question: UUID | None = None) -> UUID:
        """Write a question down; its id."""
        made = question or uuid4()
        reply = self.call(
            "POST",
            f"/api/conversations/{conversation or made}/questions",
            {"id": str(made), "text": text},
            visitor=visitor,
        )
        assert reply.status == 202, reply.body
        return made

    def exchanges(self, visitor: UUID, conversation: UUID) -> list[dict[str, Any]]:
        """A conversation, as the page shows it after a reload."""
        reply = self.call("GET", f"/api/conversations/{conversation}", visitor=visitor)
        assert reply.status == 200, reply.body
        return reply.json()

    def answered(self, visitor: UUID, text: str, *, conversation: UUID | None = None) -> dict[str, Any]:
        """Ask, read the stream to its end, and look what was kept."""
        question = self.ask(visitor, text, conversation=conversation)
        with Stream(self, visitor, question) as stream:
            said = stream.rest()
        kept = self.exchanges(visitor, conversation or question)[-1]
        assert kept["text"] == said
        return kept


class Backend(Door):
    """A running back end."""

    def __init__(self, database: str, folder: Path, *, site: Site | None = None, **env: str) -> None:
        super().__init__(free_port())
        self.log = folder / f"backend-{self.port}.log"
        (folder / "database-url").write_text(f"{database}\n")
        gateway = {"GATEWAY_URL": site.public, "GATEWAY_KEY": site.key} if site else {}
        mine = {"DATABASE_URL_FILE": str(folder / "database-url"), "PORT": str(self.port)}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "knowledge_base"],
                cwd=BACKEND,
                env={**_env(""), **mine, **gateway, **env},
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=30)

    def ready(self) -> Self:
        """Once it is."""
        patient(lambda: self.call("GET", "/readyz").status == 200, waiting_for="the back end")
        return self

    def call(self, method: str, path: str, body: Any = None, *, visitor: UUID | None = None) -> Reply:
        """Likewise; it has to live."""
        reply = super().call(method, path, body, visitor=visitor)
        assert reply.status or self.process.poll() is None, self.log.read_text()
        return reply


class Stream:
    """An answer's events, as a browser's EventSource reads them; it remembers where it is."""

    def __init__(self, backend: Door, visitor: UUID, question: UUID, *, last: str = "") -> None:
        self.last = last
        self.text = ""
        self.names: list[str] = []
        self.state = ""
        self._connection = http.client.HTTPConnection("127.0.0.1", backend.port, timeout=60)
        headers = {**_cookie(visitor), **({"Last-Event-ID": last} if last else {})}
        self._connection.request("GET", f"/api/answers/{question}/events", headers=headers)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        self._events = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def until(self, text: str) -> str:
        """Read until this has been said; everything that has."""
        while text not in self.text:
            next(self._events)
        return self.text

    def rest(self) -> str:
        """Read to the end; everything that was said."""
        for _ in self._events:
            pass
        assert self.state, "the stream was cut"
        return self.text

    def _read(self) -> Iterator[str]:
        fields: dict[str, str] = {}
        while line := self._answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                self._take(fields)
                yield fields["event"]
                fields = {}

    def _take(self, fields: Mapping[str, str]) -> None:
        value = json.loads(fields["data"])
        if fields["event"] != "still":
            self.names.append(fields["event"])
        self.last = fields.get("id", self.last)
        self.state = value.get("state", "")
        if fields["event"] == "begin":
            self.text = ""
        self.text += value.get("text", "")


def _cookie(visitor: UUID | None) -> dict[str, str]:
    return {"Cookie": f"kb_visitor={visitor}"} if visitor else {}


def _env(database: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return {**kept, **({"DATABASE_URL": database} if database else {})}
