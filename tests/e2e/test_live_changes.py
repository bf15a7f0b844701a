"""A manifest that changes while its site runs: applied whole to every worker or refused whole; no call is disturbed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import Hammer, patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site, running
from tests.e2e.test_up import INFER, LONG, stream_of, toys, words_of

pytestmark = pytest.mark.e2e
TWO_WORKERS = """
schema: 1
name: toys
models:
  sums: {source: ./sums.json, engine: {kind: toy-tensor}}
  echo: {source: ./echo.txt, engine: {kind: toy-text, options: {delay: 0.02}}}
gateway: {workers: 2}
"""
MORE = TWO_WORKERS + "endpoints: {adder: {variants: {only: {serve: sums}}}, echo: {variants: {only: {serve: echo}}}}\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two gateway workers."""
    with running(toys(tmp_path_factory.mktemp("live"), TWO_WORKERS)) as found:
        yield found


def said(site: Site, words: str, *, since: int) -> bool:
    return any(words in line for line in site.lines[since:])


def statuses(site: Site, name: str) -> set[int]:
    """Enough fresh connections that each worker has answered some."""
    return {site.call("POST", f"/v2/models/{name}/infer", INFER).status for _ in range(12)}


def test_change_reaches_every_worker_while_streams_and_calls_go_on(site: Site) -> None:
    before, pids = len(site.lines), [part.pid for part in site.watch().parts]
    stream = stream_of(site, LONG)
    answer = stream.getresponse()
    first = answer.read(1)
    key = f"Bearer {site.key}"
    with Hammer(site.port, "/v1/models", connections=2, authorization=key) as hammer:
        site.write(MORE)
        patient(lambda: said(site, "was applied without a restart: gateway-0, gateway-1", since=before))
        assert statuses(site, "adder") == {200}
    assert hammer.answered > 0
    assert not hammer.lost
    assert not hammer.refused
    assert statuses(site, "sums") == {404}, "an endpoint of its own replaces the model's own name"
    assert words_of(first + answer.read()) == LONG
    stream.close()
    assert [part.pid for part in site.watch().parts] == pids

    site.write(TWO_WORKERS)
    patient(lambda: statuses(site, "sums") == {200})


def test_bad_manifest_is_refused_whole_and_named(site: Site) -> None:
    before = len(site.lines)
    site.write(MORE.replace("serve: echo", "serve: ecko"))
    patient(lambda: said(site, "modelwright.yaml was not applied, the site runs as before", since=before))
    patient(lambda: said(site, "did you mean echo?", since=before))
    assert statuses(site, "sums") == {200}
    assert statuses(site, "adder") == {404}, "the good half of a bad manifest is not applied"

    before = len(site.lines)
    site.write(MORE)
    patient(lambda: said(site, "was applied without a restart", since=before))
    assert statuses(site, "adder") == {200}
    site.write(TWO_WORKERS)
    patient(lambda: statuses(site, "sums") == {200})


def test_change_that_needs_a_restart_is_refused_by_its_places(site: Site) -> None:
    before = len(site.lines)
    changed = MORE.replace("workers: 2", "workers: 3")
    site.write(changed)
    patient(lambda: said(site, "not applied, for gateway.workers changed", since=before))
    assert statuses(site, "adder") == {404}
    site.write(TWO_WORKERS)


def test_new_secret_is_used_without_a_restart(tmp_path: Path) -> None:
    with DevProvider(key="sk-second") as upstream:
        (tmp_path / ".env").write_text("VENDOR_KEY=sk-first\n")
        text = f"""
schema: 1
name: shop
providers: {{vendor: {{kind: openai, base_url: "{upstream.base_url}", keys: ["${{secret:VENDOR_KEY}}"]}}}}
endpoints: {{chat: {{variants: {{only: {{provider: vendor, model: small}}}}}}}}
"""
        with running(text, folder=tmp_path) as site:
            body = b'{"model":"chat","messages":[{"role":"user","content":"hi"}]}'
            assert site.call("POST", "/v1/chat/completions", body).status == 502
            (tmp_path / ".env").write_text("VENDOR_KEY=sk-second\n")
            patient(lambda: site.call("POST", "/v1/chat/completions", body).status == 200)
            assert "sk-" not in "".join(site.lines)
