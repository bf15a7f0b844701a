"""Models unloaded and loaded while the site runs: by the command line, and by an admin over V2's own extension."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.clients import Hammer, patient
from tests.e2e.reload_loop import reload_again_and_again
from tests.e2e.running import Reply, Site, alive, modelwright, running
from tests.e2e.test_up import INFER

pytestmark = pytest.mark.e2e
TEXT = """
schema: 1
name: toys
models:
  sums: {source: ./sums.json, versions: {v2: {source: ./sums.json}}, engine: {kind: toy-tensor, options: {delay_ms: 2}}}
  others: {source: ./sums.json, engine: {kind: toy-tensor}}
endpoints:
  sums: {variants: {only: {serve: sums}}}
  both: {variants: {first: {serve: sums}, second: {serve: others, weight: 0}}, fallback: [second]}
  others: {variants: {only: {serve: others}}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("loading")
    (folder / "sums.json").write_text('{"toy": 1, "columns": 4}')
    with running(TEXT, folder=folder) as found:
        yield found


@pytest.fixture(scope="module")
def admin(site: Site) -> str:
    made = models(site, "keys", "create", "ops", "--role", "admin", "--json")
    return f"Bearer {made['key']}"


def models(site: Site, *words: str, status: int = 0) -> Any:
    found = modelwright(*words, "-f", str(site.manifest))
    assert found.returncode == status, found.stdout + found.stderr
    return msgspec.json.decode(found.stdout) if "--json" in words else found.stdout + found.stderr


def infer(site: Site, model: str) -> Reply:
    return site.call("POST", f"/v2/models/{model}/infer", INFER)


def states(site: Site) -> dict[str, str]:
    listed = models(site, "models", "loaded", "--json")
    return {f"{model['name']}@{model['version']}": model["state"] for model in listed}


def test_an_unloaded_model_ends_after_its_calls_and_answers_again_when_it_is_loaded(site: Site) -> None:
    assert states(site) == {"sums@1": "READY", "sums@v2": "READY", "others@1": "READY"}
    pid = site.part("serving-sums-0").pid
    with Hammer(site.port, "/v2/models/both/infer", body=INFER, authorization=f"Bearer {site.key}") as hammer:
        hammer.wait_for(50)
        models(site, "models", "unload", "sums")
        hammer.wait_for(hammer.answered + 50)
    assert not hammer.lost, "whoever has a fallback is not refused, and calls that ran were answered"
    patient(lambda: not alive(pid), waiting_for="its process to end")
    assert states(site) == {"sums@1": "UNAVAILABLE", "sums@v2": "READY", "others@1": "READY"}
    refused = infer(site, "sums")
    assert (refused.status, b"modelwright models load sums" in refused.body) == (503, True)
    assert site.call("POST", "/v2/models/sums/versions/v2/infer", INFER).status == 200, "the other version stays"
    assert infer(site, "others").status == 200
    status = site.status()
    assert [part.detail for part in status.parts if part.state == "off"] == ["unloaded; modelwright models load sums"]

    models(site, "models", "load", "sums@1")
    assert infer(site, "sums").status == 200
    assert states(site)["sums@1"] == "READY"
    assert "there is no model" in models(site, "models", "load", "sum", status=1)


def test_an_unloaded_model_stays_so_when_the_manifest_changes(site: Site) -> None:
    models(site, "models", "unload", "others")
    before = len(site.lines)
    site.manifest.write_text(TEXT.replace("weight: 0", "weight: 0.5"))
    patient(lambda: any("was applied without a restart" in line for line in site.lines[before:]))
    assert infer(site, "others").status == 503
    models(site, "models", "load", "others")
    assert infer(site, "others").status == 200


def test_the_repository_extension_is_for_admins_alone(site: Site, admin: str) -> None:
    def ask(path: str, body: bytes = b"", key: str = admin) -> Reply:
        return site.call("POST", f"/v2/repository/{path}", body, headers={"Authorization": key} if key else {})

    client = f"Bearer {site.key}"
    assert ask("index", key=client).status == 403
    assert ask("models/sums/unload", key=client).status == 403
    assert ask("models/sums/unload", key="Bearer mw-none").status == 401
    index = ask("index").json()
    assert {(model["name"], model["version"], model["state"]) for model in index} >= {("sums", "v2", "READY")}

    assert ask("models/sums/unload", b'{"parameters": {"version": "v2", "unload_dependents": true}}').status == 200
    refused = site.call("POST", "/v2/models/sums/versions/v2/infer", INFER)
    assert (refused.status, b"model sums@v2 is not loaded" in refused.body) == (503, True)
    assert site.call("GET", "/v2/models/sums").json()["versions"] == ["1"]
    assert len(ask("index", b'{"ready": true}').json()) == len(index) - 1
    assert ask("models/sums/load", b'{"parameters": {"version": "v2"}}').status == 200
    assert site.call("POST", "/v2/models/sums/versions/v2/infer", INFER).status == 200

    assert ask("models/none/load").status == 404
    assert ask("models/sums/load", b'{"parameters": {"config": "{}"}}').status == 422
    assert ask("models/sums/load", b"{").status == 400
    assert site.call("GET", "/v2/repository/index", headers={"Authorization": admin}).status == 405


def test_memory_is_flat_over_reloads(tmp_path: Path) -> None:
    """S13, shortly; `make bench WHAT=reloads` does it two hundred times."""
    found = reload_again_and_again(tmp_path, reloads=10)
    assert not found.lost
    growths = {name: found.growth(name, warm=4, over=3) for name in found.weights[0]}
    assert max(growths.values()) < 0.05, growths
