"""From a manifest to what a target is to run: whole, the same on every machine, and nothing secret in it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.app.deploying.desired.build import desired
from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.prepare import prepare
from modelwright.app.deploying.desired.rollout import rise_of
from modelwright.app.deploying.sections.rollout import RolloutSection
from modelwright.app.manifest.load import load_manifest
from modelwright.app.packaging.recipes import recipes
from modelwright.core.deploying.made import api_key, password, secret_digest
from modelwright.core.deploying.places import SITE, VARIABLES
from modelwright.core.deploying.trials import Rise, Rules
from modelwright.core.deploying.workloads import Mount, Workload, digest_of
from modelwright.core.errors.deploying import DeployError, StepFailed
from modelwright.core.errors.tree import ManifestError
from tests.making.onnx_models import double
from tests.making.placed_site import placed
from tests.unit.app.deploying.site import IMAGES, SALT, SECRETS, described, workload, write
from tests.unit.app.deploying.site import MANIFEST as FILE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path)


def mount(of: Workload, path: str) -> Mount:
    return next(one for one in of.mounts if one.path == path)


async def content(brought: Brought, digest: str) -> bytes:
    return b"".join([piece async for piece in brought.read(digest)])


def test_everything_that_is_named_runs_and_waits_for_what_it_needs(file: Path) -> None:
    found, _ = described(file)
    assert {one.name: one.kind for one in found.workloads} == {
        "api": "app",
        "edge": "edge",
        "gateway": "gateway",
        "postgres": "service",
        "redis": "service",
        "web": "app",
    }
    assert {one.name: one.after for one in found.workloads if one.after} == {
        "api": ("gateway", "postgres"),
        "gateway": ("postgres", "redis"),
    }
    api = workload(found, "api")
    assert (api.image, api.replicas, api.before) == (IMAGES["api"], 2, ("alembic", "upgrade", "head"))
    assert [(route.name, route.workload, route.prefix, route.rate) for route in found.routes] == [
        ("main", "web", "/", 600),
        ("main.api", "api", "/api", 600),
        ("main.v1", "gateway", "/v1", 600),
    ]
    assert (found.keep, workload(found, "edge").publish) == (3, ("0.0.0.0:80>8080",))
    assert workload(found, "postgres").image == "pgvector/pgvector:pg16"
    assert mount(workload(found, "postgres"), "/var/lib/postgresql/data").size == 20 << 30


def test_a_service_that_a_route_leads_to_is_another_one_for_the_edge_reaches_it(tmp_path: Path) -> None:
    plain = FILE.replace("redis: {}}", "redis: {}, grafana: {}, prometheus: {}}")
    routed = plain.replace("targets:", "  look: {host: look.example.com, paths: {/: grafana}}\ntargets:")
    before, _ = described(write(tmp_path / "one", plain))
    after, _ = described(write(tmp_path / "two", routed))
    assert [one.name for one in after.workloads if one.exposed] == ["grafana"]
    assert digest_of(workload(before, "grafana")) != digest_of(workload(after, "grafana"))
    assert digest_of(workload(before, "redis")) == digest_of(workload(after, "redis"))


async def test_variables_with_secrets_are_files_and_the_others_are_not(file: Path) -> None:
    found, brought = described(file)
    api = workload(found, "api")
    word = password(SALT, "postgres")
    assert api.env == {
        "DATABASE_HOST": "postgres",
        "DATABASE_URL_FILE": f"{VARIABLES}/DATABASE_URL",
        "HOOK_FILE": f"{VARIABLES}/HOOK",
        "LLM_KEY_FILE": f"{VARIABLES}/LLM_KEY",
        "LLM_URL": "http://gateway:8000/v1",
        "MODE": "quiet ${HOME}",
    }
    held = {one.path.rpartition("/")[2]: await content(brought, one.digest) for one in api.mounts}
    assert held == {
        "DATABASE_URL": f"postgresql://app:{word}@postgres:5432/app".encode(),
        "HOOK": b"https://example.com/planted-3",
        "LLM_KEY": api_key(SALT, "api").encode(),
    }
    assert all(one.secret for one in api.mounts)


async def test_nothing_secret_stands_in_the_description_or_in_a_file_that_is_none(file: Path) -> None:
    found, brought = described(file)
    hidden = [*SECRETS.values(), SALT, password(SALT, "postgres"), password(SALT, "redis"), api_key(SALT, "api")]
    text = msgspec.json.encode(found).decode()
    open_files = [
        (await content(brought, one.digest)).decode(errors="replace")
        for each in found.workloads
        for one in each.mounts
        if not one.secret and not one.volume
    ]
    assert not [word for word in hidden for shown in (text, *open_files) if word in shown]


def test_it_is_the_same_from_another_checkout_and_with_other_comments(tmp_path: Path) -> None:
    first, _ = described(write(tmp_path / "one"))
    other = "# Another comment.\n" + FILE.replace("name: kb\n", "name: kb   # and here\n\n")
    second, _ = described(write(tmp_path / "two" / "deeper", other))
    assert digest_of(first) == digest_of(second)
    assert str(tmp_path) not in msgspec.json.encode(first).decode()


def changed(folder: Path, what: str) -> None:
    match what:
        case "model":
            double(folder / "models" / "digits.onnx", columns=5)
        case "prompt":
            (folder / "prompts" / "support" / "v1.md").write_text("You help gladly.\n")
        case "code":
            (folder / "greeting" / "greeter.py").write_text("class Greeter: pass\n")
        case "secret":
            (folder / ".env.production").write_text("OPENAI_API_KEY=sk-other\nTOKEN=planted-2\nHOOK=planted-3\n")
        case _:
            path = folder / "modelwright.yaml"
            path.write_text(path.read_text().replace("replicas: 2", "replicas: 3"))


@pytest.mark.parametrize("what", ["model", "prompt", "code", "secret", "manifest"])
def test_whatever_changes_what_runs_changes_the_digest(tmp_path: Path, what: str) -> None:
    path = write(tmp_path)
    before = digest_of(described(path)[0])
    changed(tmp_path, what)
    assert digest_of(described(path)[0]) != before


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(salt=st.text(min_size=8, max_size=40, alphabet="0123456789abcdef"))
def test_another_environment_has_passwords_of_its_own(file: Path, salt: str) -> None:
    mine, _ = described(file, salt=salt)
    digests = {one.digest for each in mine.workloads for one in each.mounts if one.secret}
    assert secret_digest(salt, SECRETS["TOKEN"].encode()) in digests
    others = {one.digest for each in described(file)[0].workloads for one in each.mounts if one.secret}
    assert not digests & others


def test_the_gateway_has_a_manifest_of_its_own_that_can_be_loaded(file: Path, tmp_path: Path) -> None:
    found, brought = described(file)
    site = placed(found, brought, tmp_path / "inside")
    text = msgspec.json.decode(site.manifest.read_bytes())
    assert text["gateway"]["listen"] == "0.0.0.0:8000"
    assert all(address.startswith("${secret:store_") for address in text["store"].values())
    assert list(text["models"]["steps"]["pipeline"]["steps"]) == ["one", "before", "after"], "their order is theirs"
    loaded = load_manifest(site.manifest, environment="production", env=site.secrets)
    original = load_manifest(file, environment="production", deploying=True)
    assert loaded.engines == original.engines
    assert loaded.operations == original.operations
    assert [one.digest for one in loaded.prompts] == [one.digest for one in original.prompts]
    assert (site.root / SITE.lstrip("/") / "greeting" / "greeter.py").is_file()


def test_a_provider_that_is_off_here_is_off_there_for_the_same_reason(tmp_path: Path) -> None:
    pool = """  pool: {kind: openai, base_url: "${env:POOL_URL}", keys: ["${secret:TOKEN}"], optional: true}\n"""
    path = write(tmp_path, FILE.replace("prompts:\n", f"{pool}prompts:\n"))
    found, brought = described(path)
    site = placed(found, brought, tmp_path / "inside")
    loaded = load_manifest(site.manifest, environment="production", env=site.secrets)
    assert loaded.off == load_manifest(path, environment="production", deploying=True).off == {"pool": "set POOL_URL"}


def test_the_gate_is_a_real_inference_by_a_models_check(file: Path) -> None:
    gate = workload(described(file)[0], "gateway").gate
    assert gate is not None
    assert (gate.method, gate.path, gate.ready) == ("POST", "/v2/models/digits/infer", "/v2/health/ready")
    assert gate.bearer == secret_digest(SALT, api_key(SALT, "deploy-gate").encode())


async def test_weights_come_as_the_same_tar_wherever_they_lie(tmp_path: Path) -> None:
    tars: list[bytes] = []
    for name in ("one", "two"):
        found, brought = described(write(tmp_path / name))
        volume = next(one for one in workload(found, "gateway").mounts if one.volume)
        tars.append(await content(brought, volume.digest))
    assert tars[0] == tars[1]
    with tarfile.open(fileobj=io.BytesIO(tars[0])) as archive:
        assert [(one.name, one.mode, one.mtime) for one in archive] == [("digits.onnx", 0o444, 0)]


async def test_weights_that_were_changed_since_the_plan_are_not_sent(file: Path) -> None:
    found, brought = described(file)
    volume = next(one for one in workload(found, "gateway").mounts if one.volume)
    changed(file.parent, "model")
    with pytest.raises(StepFailed, match="changed since the plan"):
        await content(brought, volume.digest)


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_or_empty_secret_is_refused_with_its_name_and_place(tmp_path: Path, value: str | None) -> None:
    secrets = {name: text for name, text in SECRETS.items() if name != "HOOK"}
    path = write(tmp_path, secrets=secrets if value is None else {**secrets, "HOOK": value})
    with pytest.raises(ManifestError) as caught:
        prepare(path, environment="production")
    (fault,) = caught.value.faults
    assert (fault.key, fault.problem) == ("apps.api.env.HOOK", "`${secret:HOOK}` is missing or empty")
    assert fault.remedy == "set HOOK in the environment or in .env.production"


def test_up_looks_up_nothing_of_what_only_a_target_runs(tmp_path: Path) -> None:
    text = FILE.replace("""store: {database: "${service:postgres.url}", redis: "${service:redis.url}"}\n""", "")
    path = write(tmp_path, text, secrets={name: SECRETS[name] for name in ("OPENAI_API_KEY", "TOKEN")})
    loaded = load_manifest(path, environment="production")
    assert set(loaded.secrets) == {"OPENAI_API_KEY", "TOKEN"}
    path.write_text(text.replace("replicas: 2", "replicas: 5"))
    assert load_manifest(path, environment="production").digest == loaded.digest


def test_an_image_that_was_not_built_is_asked_for(file: Path) -> None:
    with pytest.raises(DeployError, match="no image for api"):
        desired(prepare(file, environment="production"), images={"gateway": "g"}, salt=SALT)


def test_programs_alone_need_no_gateway_and_no_database_of_its_own(tmp_path: Path) -> None:
    text = "schema: 1\nname: kb\napps: {web: {image: 'example/web:1', port: 80}}\nroutes: {all: {paths: {/: web}}}\n"
    text += "targets: {here: {kind: docker}}\nenvironments: {production: {target: here}}\n"
    path = write(tmp_path / "site", text)
    found, _ = described(path)
    assert [one.name for one in found.workloads] == ["edge", "web"]
    assert [recipe.name for recipe in recipes(prepare(path, environment="production").loaded)] == ["keeper"]


def test_without_a_target_nothing_can_be_described(file: Path) -> None:
    file.write_text(file.read_text().replace("target: edge-1", "gateway: {workers: 1}"))
    with pytest.raises(DeployError) as caught:
        prepare(file, environment="production")
    assert "has no target" in str(caught.value)


def test_a_rollout_is_what_the_manifest_says_and_at_once_when_it_says_nothing(tmp_path: Path) -> None:
    gates = "{success_rate: 99.5%, latency: 2s}"
    text = f"rollout: {{steps: [10%, 100%], pause: 1m, gates: {gates}, on_no_data: roll_back}}\n"
    loaded = load_manifest(write(tmp_path, f"{FILE}{text}"), environment="production", deploying=True)
    rules = Rules(success_rate=0.995, latency_ms=2000.0, on_no_data="roll_back")
    assert rise_of(loaded.manifest.rollout) == Rise(steps=(10, 100), pause=60.0, rules=rules)
    assert rise_of(RolloutSection()).steps == (100,)


async def test_the_edge_believes_the_proxies_in_front_of_it_and_the_gateway_believes_both(tmp_path: Path) -> None:
    found, brought = described(write(tmp_path, FILE + 'gateway: {trusted_proxies: ["203.0.113.0/24"]}\n'))
    assert found.trusted == ("203.0.113.0/24",)
    site = await content(brought, mount(workload(found, "gateway"), f"{SITE}/modelwright.yaml").digest)
    assert b"203.0.113.0/24" in site
    assert b"10.0.0.0/8" in site
