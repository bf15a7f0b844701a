"""The example application on a Docker host, as its README says: from nothing to serving, changed under load, and back.

No language model is there: answers quote passages and say so. Prometheus and Grafana are left out, since the engine of
the tests has no images of them; one address may ask as often as it likes, since all visitors here have the same one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.e2e.clients import patient
from tests.e2e.knowledge_site import EXAMPLE, Door, Stream
from tests.e2e.running import program
from tests.making.docker_host.engine import Engine
from tests.making.ports import free_port

pytestmark = pytest.mark.e2e

SAYS = "No language model is configured, so these are the passages that fit best."
SAYS_THEN = "There is no language model here, so these are the passages that fit best."
TALK = {
    "How should secrets get into a container?": "01-gateway#2",
    "Why?": "01-gateway#2",  # which says nothing without the question before it
    "When should a canary be stopped?": "04-canary#3",
}
SECOND = "What must a rollback not lose?"
CHANGES = {
    "name: knowledge-base\n": "name: {project}\nbuild: {{network: host}}\n",
    "{{kind: docker, ": '{{kind: docker, publish: {{http: "127.0.0.1:{port}"}}, ',
    "rate_limit: 600/min": "rate_limit: 600000/min",
    "workers: 2": "workers: 1",
    "  prometheus: {{}}\n  grafana: {{}}\n": "",
}


class Copy:
    """The example in a folder of its own, for an engine of the tests."""

    def __init__(self, folder: Path, engine: Engine, project: str) -> None:
        self.folder = folder
        self.door = Door(free_port())
        left = shutil.ignore_patterns("node_modules", "dist", ".venv", ".modelwright", "__pycache__", ".env")
        shutil.copytree(EXAMPLE, folder, ignore=left, dirs_exist_ok=True)
        for before, after in CHANGES.items():
            self.change("modelwright.yaml", before.format(), after.format(project=project, port=self.door.port))
        (folder / ".env.example").rename(folder / ".env.production")
        self.change(".env.production", "DEPLOY_HOST=unix:///var/run/docker.sock", f"DEPLOY_HOST={engine.url}")
        given = {name: value for name, value in os.environ.items() if not name.startswith("LLM_")}
        self._environment = {**given, **engine.environment}

    def change(self, file: str, before: str, after: str) -> None:
        text = (self.folder / file).read_text("utf-8")
        assert before in text, (file, before)
        (self.folder / file).write_text(text.replace(before, after), "utf-8")

    def modelwright(self, *words: str) -> str:
        """In that folder; what it prints."""
        done = subprocess.run(
            [*program(), *words, "--env", "production"],
            cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Visitors:
    """Each asks one question after the other, reads the answer's stream, and looks what was kept of all of them."""

    def __init__(self, door: Door, count: int = 2) -> None:
        self.answers = Counter[str]()
        """By their first line."""
        self.lost: list[str] = []
        self._door = door
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._talk) for _ in range(count)]

    @contextmanager
    def talking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def heard(self, first_line: str, count: int) -> None:
        """Wait until so many more answers have begun with this line."""
        wanted = self.answers[first_line] + count
        patient(lambda: bool(self.lost) or self.answers[first_line] >= wanted, seconds=120)

    def _talk(self) -> None:
        visitor, conversation, said = uuid4(), None, list[tuple[str, str]]()
        try:
            while not self._over.wait(0.2):
                text = f"{next(iter(TALK))} {len(said)}"
                question = self._door.ask(visitor, text, conversation=conversation)
                conversation = conversation or question
                with Stream(self._door, visitor, question) as stream:
                    said.append((text, stream.rest()))
                assert kept(self._door, visitor, conversation) == said
                self.answers[said[-1][1].splitlines()[0]] += 1
        except Exception as error:  # noqa: BLE001 - each of them is a loss, whatever it is
            self.lost.append(repr(error))


def kept(door: Door, visitor: UUID, conversation: UUID) -> list[tuple[str, str]]:
    """Questions and answers of a conversation, as PostgreSQL has them."""
    turns = door.exchanges(visitor, conversation)
    assert {turn["state"] for turn in turns} == {"done"}
    return [(turn["asked"], turn["text"]) for turn in turns]


class Talk:
    """One conversation from the first test to the last."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._visitor = uuid4()
        self._conversation: UUID | None = None
        self._said: list[tuple[str, str]] = []

    def ask(self, text: str) -> dict[str, Any]:
        """What is kept of it, with all that was said before."""
        turn = self._door.answered(self._visitor, text, conversation=self._conversation)
        self._conversation = self._conversation or UUID(turn["question"])
        self._said.append((text, turn["text"]))
        assert kept(self._door, self._visitor, self._conversation) == self._said
        return turn


@pytest.fixture(scope="module")
def copy(docker_engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with docker_engine.project() as name:
        yield Copy(tmp_path_factory.mktemp("knowledge-base"), docker_engine, name)


@pytest.fixture(scope="module")
def talk(copy: Copy) -> Talk:
    return Talk(copy.door)


# One after the other: each has a bound of its own, however slow the machine is.
@pytest.mark.parametrize("names", [("gateway",), ("keeper", "api", "web")], ids="-".join)
def test_its_images_are_built(copy: Copy, names: tuple[str, ...]) -> None:
    copy.modelwright("package", *names)


def test_it_is_deployed_from_nothing_and_answers_from_its_passages(copy: Copy, talk: Talk) -> None:
    copy.modelwright("deploy", "--yes")
    assert b"<title>" in copy.door.call("GET", "/").body
    for text, passage in TALK.items():
        turn = talk.ask(text)
        assert (turn["kind"], turn["notice"], turn["sources"][0]["name"]) == ("quotes", "no_model", passage)
        assert turn["text"].startswith(SAYS)


def test_another_version_takes_over_while_people_talk_to_it(copy: Copy, talk: Talk) -> None:
    visitors = Visitors(copy.door)
    with visitors.talking():
        visitors.heard(SAYS, 4)
        copy.change("backend/knowledge_base/quoting.py", SAYS, SAYS_THEN)
        copy.modelwright("deploy", "--yes", "--why", "other words")
        visitors.heard(SAYS_THEN, 4)
    assert visitors.lost == []
    assert {*visitors.answers} == {SAYS, SAYS_THEN}
    assert talk.ask(SECOND)["text"].startswith(SAYS_THEN)


def test_the_version_before_comes_back_while_people_talk_to_it(copy: Copy, talk: Talk) -> None:
    visitors = Visitors(copy.door)
    with visitors.talking():
        visitors.heard(SAYS_THEN, 4)
        copy.modelwright("rollback", "--yes")
        visitors.heard(SAYS, 4)
    assert visitors.lost == []
    assert {*visitors.answers} == {SAYS, SAYS_THEN}
    turn = talk.ask("Why?")
    assert turn["text"].startswith(SAYS)
    assert turn["sources"][0]["name"] == "05-rollback#2"
    assert "other words" in copy.modelwright("releases")
