"""The example application for real: PostgreSQL with pgvector, a site that makes vectors, a model that holds on."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.knowledge_site import EXAMPLE, Backend, Stream, migrated
from tests.e2e.running import Site, modelwright, running
from tests.making.pgvector_server import pgvector_server

pytestmark = pytest.mark.e2e

QUESTION = "How should secrets get into a container?"
RIGHT = "01-gateway#2"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with pgvector_server() as server:
        url = server.create("kb")
        for _ in range(2):
            done = migrated(url)
            assert done.returncode == 0, done.stderr
        yield url


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", "30", key="sk-planted") as running:
        yield running


@pytest.fixture(scope="module")
def site(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("knowledge-base")
    left = shutil.ignore_patterns("node_modules", "dist", ".venv", ".modelwright", ".env*")
    shutil.copytree(EXAMPLE, folder, ignore=left, dirs_exist_ok=True)
    text = (EXAMPLE / "modelwright.yaml").read_text("utf-8")
    assert "first_token: 20s, idle: 15s" in text
    text = text.replace("first_token: 20s, idle: 15s", "first_token: 60s, idle: 60s")  # however slow the machine is
    env = {"LLM_BASE_URL": provider.base_url, "LLM_API_KEY": "sk-planted"}
    with running(text, folder=folder, env=env) as started:
        yield started


@pytest.fixture(scope="module")
def backend(database: str, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with Backend(database, tmp_path_factory.mktemp("backend"), site=site, RELEASE="r1") as started:
        yield started.ready()


@pytest.fixture
def visitor() -> UUID:
    return uuid4()


def test_the_manifest_is_right_for_production_without_a_language_model() -> None:
    path = str(EXAMPLE / "modelwright.yaml")
    env = {**os.environ, "DEPLOY_HOST": "unix:///var/run/docker.sock"}
    found = modelwright("check", "--env", "production", "-f", path, env=env)
    assert found.returncode == 0, found.stdout


def asked_of_the_model(provider: DevProvider) -> int:
    return sum(request["path"] == "/v1/chat/completions" for request in provider.requests)


def test_an_answer_goes_on_where_it_was_cut_and_is_asked_for_once(
    backend: Backend, provider: DevProvider, visitor: UUID
) -> None:
    provider.fails("hold@4")
    question = backend.ask(visitor, QUESTION)
    with Stream(backend, visitor, question) as cut:
        before = cut.until("question")
    assert backend.ask(visitor, QUESTION, question=question) == question  # sent again, as by a browser in doubt
    with Stream(backend, visitor, question, last=cut.last) as resumed:
        provider.release()
        after = resumed.rest()
    assert "begin" not in resumed.names
    (kept,) = backend.exchanges(visitor, question)
    assert kept["text"] == before + after
    assert (kept["state"], kept["kind"]) == ("done", "model")
    assert kept["sources"][0]["name"] == RIGHT
    assert asked_of_the_model(provider) == 1
    sent = json.dumps(next(r for r in provider.requests if r["path"].endswith("/completions"))["body"])
    assert "<passage number=1>" in sent


def test_a_conversation_goes_on_while_one_back_end_takes_over_from_another(
    backend: Backend, database: str, site: Site, provider: DevProvider, visitor: UUID, tmp_path: Path
) -> None:
    provider.fails("hold@4")
    with Backend(database, tmp_path, site=site, RELEASE="r2") as new:
        new.ready()
        with Backend(database, tmp_path, site=site) as old:
            question = old.ready().ask(visitor, QUESTION)
            with Stream(old, visitor, question) as here, Stream(new, visitor, question) as there:
                begun = here.until("question")
                there.until(begun)
                old.process.send_signal(signal.SIGTERM)
                patient(lambda: old.call("GET", "/healthz").status == 0 if old.process.poll() is None else True)
                provider.release()
                assert here.rest() == there.rest()
            assert old.process.wait(timeout=60) == 0, old.log.read_text()
        assert new.call("GET", "/healthz").headers["x-release"] == "r2"
        follow = new.answered(visitor, "When should a canary be stopped?", conversation=question)
    history = [(turn["asked"], turn["state"]) for turn in backend.exchanges(visitor, question)]
    assert history == [(QUESTION, "done"), (follow["asked"], "done")]
    messages = json.dumps(provider.requests[-1]["body"])
    assert QUESTION in messages


def test_an_answer_whose_maker_was_killed_is_made_anew(
    backend: Backend, database: str, site: Site, provider: DevProvider, visitor: UUID, tmp_path: Path
) -> None:
    provider.fails("hold@4x1")
    with Backend(database, tmp_path, site=site, CORPUS=str(EXAMPLE / "backend" / "corpus")) as dying:
        dying.ready()
        backend.process.send_signal(signal.SIGSTOP)  # so that it is this one who takes the question
        try:
            question = dying.ask(visitor, QUESTION)
            with Stream(dying, visitor, question) as stream:
                stream.until("question")
                dying.process.kill()
                dying.process.wait(timeout=30)
        finally:
            backend.process.send_signal(signal.SIGCONT)
    with Stream(backend, visitor, question, last=stream.last) as resumed:
        said = resumed.rest()
    assert resumed.names[0] == "begin"
    (kept,) = backend.exchanges(visitor, question)
    assert kept["text"] == said
    assert (kept["state"], kept["attempt"]) == ("done", 2)


def test_a_judgement_reaches_the_gateway(backend: Backend, site: Site, provider: DevProvider, visitor: UUID) -> None:
    def seen() -> int:
        found = modelwright("variants", "show", "assistant", "--json", "-f", str(site.manifest))
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)[0]["variants"][0]["seen"]["feedback"]

    provider.fails()
    before = seen()
    kept = backend.answered(visitor, QUESTION)
    path = f"/api/answers/{kept['question']}/feedback"
    assert backend.call("POST", path, {"score": 1}, visitor=uuid4()).status == 404
    assert backend.call("POST", path, {"score": 2}, visitor=visitor).status == 422
    for _ in range(2):
        assert backend.call("POST", path, {"score": 1}, visitor=visitor).status == 202
    patient(lambda: seen() == before + 1)
    assert backend.exchanges(visitor, UUID(kept["question"]))[0]["score"] == 1


def test_answers_quote_passages_without_a_language_model_and_say_so(
    backend: Backend, database: str, site: Site, provider: DevProvider, visitor: UUID, tmp_path: Path
) -> None:
    with Backend(database, tmp_path, site=site, CHAT_MODEL="nobody") as quoting:
        # It has its own conversations' questions taken by either; the other one must not.
        backend.process.send_signal(signal.SIGSTOP)
        try:
            assert quoting.ready().call("GET", "/api/about").json()["model"] is False
            english = quoting.answered(visitor, QUESTION)
            chinese = quoting.answered(visitor, "什么时候应该停止金丝雀？")
            nothing = quoting.answered(visitor, "Best pizza recipe")
        finally:
            backend.process.send_signal(signal.SIGCONT)
    assert (english["kind"], english["notice"]) == ("quotes", "no_model")
    assert english["text"].startswith("No language model is configured")
    assert "> Give every application a key of its own" in english["text"]
    assert chinese["text"].startswith("没有配置语言模型")
    assert (chinese["sources"][0]["language"], chinese["sources"][0]["name"]) == ("zh", "04-canary#3")
    assert (nothing["kind"], nothing["sources"]) == ("nothing", [])
    provider.fails("500")
    away = backend.answered(visitor, QUESTION)
    assert (away["kind"], away["notice"]) == ("quotes", "away")


def test_a_model_whose_provider_is_off_is_none(visitor: UUID, tmp_path: Path) -> None:
    left = shutil.ignore_patterns("node_modules", "dist", ".venv", ".modelwright", ".env*")
    shutil.copytree(EXAMPLE, tmp_path / "site", ignore=left)
    # A database of its own: nobody else takes its questions.
    with pgvector_server() as server, running(tmp_path / "site" / "modelwright.yaml") as site:
        assert migrated(server.url()).returncode == 0
        with Backend(server.url(), tmp_path, site=site) as backend:
            found = backend.ready().answered(visitor, QUESTION)
            assert (found["kind"], found["notice"]) == ("quotes", "no_model")
            assert backend.call("GET", "/api/about").json()["model"] is False


def test_what_is_somebody_elses_or_nonsense_is_refused(backend: Backend, provider: DevProvider, visitor: UUID) -> None:
    provider.fails()
    kept = backend.answered(visitor, QUESTION)
    path = f"/api/conversations/{kept['question']}/questions"
    other = uuid4()
    assert backend.exchanges(other, UUID(kept["question"])) == []
    assert backend.call("POST", path, {"id": str(uuid4()), "text": "Hi"}, visitor=other).status == 409
    assert backend.call("POST", path, {"id": kept["question"], "text": "Other words"}, visitor=visitor).status == 409
    for text in ("", " ", "a\0b", "x" * 2001, 7, None):
        assert backend.call("POST", path, {"id": str(uuid4()), "text": text}, visitor=visitor).status == 422
    for body in (b"{", b"\xff", b'{"id": "1", "text": "\\ud800"}'):
        assert backend.call("POST", path, body, visitor=visitor).status in {400, 422}
    with Stream(backend, other, UUID(kept["question"])) as stream:
        stream.rest()
    assert stream.state == "gone"
    assert backend.call("DELETE", path.removesuffix("/questions"), visitor=visitor).status == 204
    assert backend.call("GET", "/api/conversations", visitor=visitor).json() == []


def test_a_database_without_pgvector_is_named_with_its_remedy(site: Site, tmp_path: Path) -> None:
    with pgvector_server(without=True) as server:
        done = migrated(server.url())
        assert done.returncode != 0
        assert "This PostgreSQL has no pgvector" in done.stderr
        with Backend(server.url(), tmp_path, site=site) as backend:
            patient(lambda: "pgvector" in backend.call("GET", "/readyz").body.decode())
            assert backend.call("GET", "/readyz").status == 503
            assert backend.call("GET", "/healthz").status == 200
            assert "not ready: PostgreSQL has no pgvector: use the image" in backend.log.read_text()
