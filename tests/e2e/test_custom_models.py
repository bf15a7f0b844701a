"""Classes of the user's own behind a whole `modelwright up`: the guide's ten lines, streams, faults, hostile bodies."""

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import Case, GenerationMode

from tests.e2e.clients import patient
from tests.e2e.custom_site import busy, custom_site, error, opened, predict
from tests.e2e.running import ROOT, Reply, Site, modelwright
from tests.e2e.serving_worker import first_column, request

pytestmark = pytest.mark.e2e

MODELS = ("greeter", "faulty", "picture", "toy", "picky")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with custom_site(tmp_path_factory.mktemp("own")) as started:
        yield started


def test_the_guides_ten_lines_answer(site: Site) -> None:
    reply = predict(site, "greeter", {"name": "Ada"})
    assert (reply.status, reply.json()) == (200, {"message": "Hi, Ada!"})
    assert reply.headers["x-modelwright-call"]
    form = requests.post(
        f"{site.public}/predict/greeter",
        headers={"X-API-Key": site.key},
        files={"name": (None, "Ada"), "times": (None, "2")},
        timeout=30,
    )
    assert form.json() == {"message": "Hi, Ada! Hi, Ada!"}
    stream = predict(site, "greeter", {"name": "Ada"}, accept="text/event-stream")
    assert stream.body == b'data: "Hi,"\n\ndata: "Ada!"\n\ndata: [DONE]\n\n'
    lines = predict(site, "greeter", {"name": "Ada"}, accept="application/jsonl")
    assert (lines.headers["content-type"], lines.body) == ("application/jsonl", b'"Hi,"\n"Ada!"\n')
    assert any('"message":"greeting Ada"' in line and '"logger":"models"' in line for line in site.lines)


def test_the_ledger_holds_calls_and_streams_with_the_models_time(site: Site) -> None:
    predict(site, "greeter", {"name": "Ada"}, x_request_id="ledger-1")
    predict(site, "greeter", {"name": "Ada"}, x_request_id="ledger-2", accept="text/event-stream")
    patient(lambda: sum('"request_id":"ledger-' in line for line in site.lines) == 2)
    rows = [msgspec.json.decode(line)["call"] for line in site.lines if '"request_id":"ledger-' in line]
    assert [(row["operation"], row["endpoint"], row["outcome"], row.get("stream", False)) for row in rows] == [
        ("predict", "greeter", "ok", False),
        ("predict", "greeter", "ok", True),
    ]
    assert all(row["machine_us"] for row in rows)
    assert predict(site, "greeter", {"name": "Ada"}, authorization="Bearer nobody").status == 401


@pytest.mark.parametrize(
    ("model", "body", "status", "param", "words"),
    [
        ("greeter", {"nam": "Ada"}, 422, "name", "name: Field required; nam: Extra inputs"),
        ("greeter", {"name": "Ada", "times": "x"}, 422, "times", "valid integer"),
        ("greeter", b"{", 400, None, "not valid JSON"),
        ("faulty", {"how": "refuse"}, 422, "how", "not this one"),
        ("faulty", {"how": "fail"}, 500, None, "model 'faulty' failed on this request"),
        ("picture", {"photo": "aGk="}, 422, "photo", "none of PNG, JPEG"),
        ("toy", {"x": [1, 2]}, 400, "x", "has size 2 in dimension 1"),
        ("toy", {"y": [1, 2]}, 400, "y", "not one of the model's"),
        ("nobody", {}, 404, "model", "not served"),
    ],
)
def test_what_is_wrong_is_answered_with_the_name_of_the_input(
    site: Site, model: str, body: Any, status: int, param: str | None, words: str
) -> None:
    reply = predict(site, model, body)
    assert (reply.status, error(reply)["param"]) == (status, param)
    assert words in error(reply)["message"]
    assert b"1234" not in reply.body


def test_the_traceback_stands_in_the_log_alone(site: Site) -> None:
    predict(site, "faulty", {"how": "fail"})
    patient(lambda: any("the password is 1234" in line and "faults.py" in line for line in site.lines))


def test_a_class_sees_no_secret(site: Site) -> None:
    assert predict(site, "faulty", {"how": "well"}).json()["secret"] is None


def holds(site: Site, name: str) -> str | None:
    return predict(site, "holder", {"name": name}).json()


def test_a_class_has_the_variables_that_the_manifest_gives_it_and_nobody_else_sees_them(site: Site) -> None:
    found = {name: holds(site, name) for name in ("MODE", "AUTHORIZATION", "BOTH", "HELD", "TOKEN")}
    assert found == {
        "MODE": "fast", "AUTHORIZATION": "Bearer held-canary", "BOTH": "sk-canary", "HELD": None, "TOKEN": None
    }  # fmt: skip
    environments = {part.name: Path(f"/proc/{part.pid}/environ").read_bytes() for part in site.watch().parts}
    assert [name for name, found in environments.items() if b"held-canary" in found] == ["serving-holder-0"]
    written = [file for folder in (site.runtime, site.state) for file in folder.rglob("*") if file.is_file()]
    assert [file for file in written if b"held-canary" in file.read_bytes()] == []
    told = [*site.lines, modelwright("status", "-f", str(site.manifest)).stdout]
    told.append(modelwright("check", "-f", str(site.manifest), env={**os.environ, "TOKEN": "a", "HELD": "b"}).stdout)
    assert [line for line in told if "held-canary" in line] == []


def test_other_variables_start_the_class_anew(site: Site) -> None:
    before = site.part("serving-slow-0").pid
    secrets = site.manifest.with_name(".env.development")
    text = site.manifest.read_text()
    site.manifest.write_text(text.replace("MODE: fast", "MODE: slow, LATER: '${secret:LATER}'"))
    patient(lambda: any("`${secret:LATER}` is missing or empty" in line for line in site.lines))
    assert holds(site, "MODE") == "fast"
    secrets.write_text("LATER=first\n")
    patient(lambda: holds(site, "LATER") == "first", waiting_for="the variables of the manifest")
    assert holds(site, "MODE") == "slow"
    secrets.write_text("LATER=second\n")
    patient(lambda: holds(site, "LATER") == "second", waiting_for="the secret as it is now")
    assert site.part("serving-slow-0").pid == before


def test_files_and_images_come_as_parts_and_go_back(site: Site) -> None:
    image = io.BytesIO()
    Image.new("RGB", (5, 3)).save(image, "PNG")
    files = {"photo": ("p.png", image.getvalue()), "sound": ("s.wav", b"12"), "attached": ("a.txt", b"1")}
    reply = requests.post(
        f"{site.public}/predict/picture", headers={"X-API-Key": site.key}, files=files, timeout=30
    ).json()
    assert reply == {"size": [5, 3], "sound": 2, "name": "a.txt"}
    blob = predict(site, "blob", {"size": 3})
    assert (blob.headers["content-type"], blob.body) == ("audio/wav", bytes(3))


def test_every_tensor_model_takes_one_item_or_a_list_of_items(site: Site) -> None:
    assert predict(site, "toy", {"x": [1, 2, 3, 4]}).json() == {"y": [2, 4, 6, 8], "total": 10}
    assert predict(site, "toy", {"x": [[1, 2, 3, 4]] * 2}).json()["total"] == [10, 10]
    assert predict(site, "picky", {"x": [1, 2, 3, 4]}).json() == {"y": [2, 4, 6, 8]}
    assert first_column(site.call("POST", "/v2/models/picky/infer", request([[1, 2, 3, 4]]))) == [2]
    assert site.call("GET", "/v2/models/picky").json()["platform"] == "python"


def test_a_class_is_a_step_of_a_pipeline(site: Site) -> None:
    assert predict(site, "half", {"x": [1, 2, 3, 4]}).json() == {"y": [0.5, 1, 1.5, 2], "total": 2.5}
    replies = together([lambda value=value: predict(site, "half", {"x": [value] * 4}) for value in (1, 99, 2)])
    assert [reply.status for reply in replies] == [200, 500, 200]
    assert predict(site, "divide", {"x": [1, 2, 3, 4]}).status == 404, "it is a step and nothing else"


@pytest.mark.parametrize("what", ["config", "stats"])
def test_a_class_without_tensors_says_so_to_clients_of_v2(site: Site, what: str) -> None:
    reply = site.call("GET", f"/v2/models/greeter/{what}")
    assert reply.status == 422
    assert "takes no tensors" in reply.json()["error"], "V2's own form: a text"


def together(calls: list[Callable[[], Reply]]) -> list[Reply]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [answer.result() for answer in [pool.submit(call) for call in calls]]


def test_poison_in_a_batch_fails_nobody_else(site: Site) -> None:
    """S1."""
    values = [99.0 if number == 5 else float(number) for number in range(16)]
    replies = together([lambda value=value: predict(site, "picky", {"x": [value] * 4}) for value in values])
    assert [reply.status for reply in replies] == [500 if value == 99 else 200 for value in values]
    assert [r.json()["y"][0] for r, v in zip(replies, values, strict=True) if v != 99] == [
        2 * v for v in values if v != 99
    ]


def test_a_flood_is_bounded(site: Site, tmp_path: Path) -> None:
    """S4."""
    door = tmp_path / "door"
    with ThreadPoolExecutor(5) as pool:
        taken = [pool.submit(predict, site, "blob", {"size": 1, "until": str(door)}) for _ in range(5)]
        patient(lambda: busy(site, "blob").queued == 4, waiting_for="one to run and four to wait")
        refused = [predict(site, "blob", {"size": 1}) for _ in range(11)]
        door.touch()
        assert [one.result().status for one in taken] == [200] * 5
    assert {reply.status for reply in refused} == {429}
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)


def test_requests_of_clients_that_left_are_never_computed(site: Site, tmp_path: Path) -> None:
    """S5."""
    door, computed = tmp_path / "door", tmp_path / "computed"
    running_call = opened(site, "blob", {"size": 1, "until": str(door)})
    patient(lambda: busy(site, "blob").in_flight == 1)
    waiting = [opened(site, "blob", {"size": 1, "leaves": str(computed)}) for _ in range(3)]
    patient(lambda: busy(site, "blob").queued == 3)
    for connection in waiting:
        connection.close()
    patient(lambda: busy(site, "blob").queued == 0)
    assert busy(site, "blob").in_flight == 1
    door.touch()
    assert running_call.getresponse().status == 200
    running_call.close()
    assert predict(site, "blob", {"size": 1}).status == 200
    assert not computed.exists()


def test_a_stream_is_closed_when_its_client_leaves(site: Site) -> None:
    before = predict(site, "slow", {}).json()["closed"]
    connection = opened(site, "slow", {}, accept="text/event-stream")
    connection.getresponse().read(100)
    connection.close()
    patient(lambda: predict(site, "slow", {}).json()["closed"] == before + 1, waiting_for="the generator to be closed")


def test_a_slow_reader_does_not_fill_the_memory(site: Site) -> None:
    before = predict(site, "slow", {}).json()["made"]
    connection = opened(site, "slow", {"pieces": 5000, "size": 65536}, accept="application/jsonl")
    connection.getresponse().read(1)
    counts = [-1]

    def stands_still() -> bool:
        counts.append(predict(site, "slow", {}).json()["made"])
        return counts[-1] == counts[-2]

    patient(stands_still, waiting_for="the generator to be asked for no more")
    assert counts[-1] - before < 2500
    connection.close()


def test_a_stream_that_fails_says_so(site: Site) -> None:
    reply = predict(site, "slow", {"pieces": 5, "fail": 3, "size": 20_000}, accept="text/event-stream")
    assert reply.body.count(b"data: ") == 4
    assert b"event: error\ndata: " in reply.body
    assert b"[DONE]" not in reply.body
    assert b"1234" not in reply.body
    first = predict(site, "slow", {"fail": 0}, accept="text/event-stream")
    assert (first.status, error(first)["code"]) == (500, "engine_failed")
    assert predict(site, "faulty", {"how": "well"}, accept="text/event-stream").status == 422


@pytest.mark.parametrize("how", ["exit", "abort"])
def test_a_class_that_ends_its_process_is_started_again(site: Site, how: str) -> None:
    before = site.part("serving-faulty-0")
    reply = predict(site, "faulty", {"how": how})
    assert (reply.status, error(reply)["code"]) == (503, "model_unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    assert predict(site, "greeter", {"name": "Ada"}).status == 200
    site.wait_for("serving-faulty-0", "ready", restarts=before.restarts + 1)
    patient(lambda: predict(site, "faulty", {"how": "well"}).status == 200)


def test_a_class_that_hangs_is_answered_in_time_and_started_again(site: Site) -> None:
    before = site.part("serving-hanging-0")
    reply = predict(site, "hanging", {"how": "well", "seconds": 3600})
    assert (reply.status, error(reply)["code"]) == (500, "engine_failed")
    assert "did not answer within 1 s" in error(reply)["message"]
    site.wait_for("serving-hanging-0", "ready", restarts=before.restarts + 1)
    patient(lambda: predict(site, "hanging", {"how": "well"}).status == 200)


def test_a_batch_that_hangs_ends_the_process_which_is_started_again(site: Site) -> None:
    before = site.part("serving-stuck-0")
    assert predict(site, "stuck", {"x": [99, 0, 0, 0]}).status == 503
    site.wait_for("serving-stuck-0", "ready", restarts=before.restarts + 1)
    patient(lambda: predict(site, "stuck", {"x": [1, 0, 0, 0]}).status == 200)


def test_a_class_is_served_as_it_is_saved_and_a_broken_one_changes_nothing(site: Site) -> None:
    code = site.manifest.with_name("edited.py")
    assert predict(site, "edited", {}).json() == 1
    code.write_text(code.read_text().replace("return 1", "return 2"))
    patient(lambda: predict(site, "edited", {}).json() == 2, waiting_for="the class as it is now")
    code.write_text("class Model:\n    def predict(self)\n        return 3\n")
    patient(lambda: any("was not applied" in line and "edited.py, line 2" in line for line in site.lines))
    assert predict(site, "edited", {}).json() == 2


HOSTILE = [
    b"[" * 100_000,
    b'{"name": ' + b"[" * 100_000,
    b'{"name": "A", "times": ' + b"9" * 100_000 + b"}",
    b'{"x": [1e999, 1, 1, 1]}',
    b'{"x": [NaN, 1, 1, 1]}',
    b'{"x": ' + b"[" * 64 + b"]" * 64 + b"}",
    b'{"\\ud800": 1}',
    b'{"how": "\\u0000"}',
    b"\x00\xff",
    b"",
]


@pytest.mark.parametrize("model", MODELS)
def test_hostile_bodies_bring_forth_no_5xx_and_no_death(site: Site, model: str) -> None:
    for body in HOSTILE:
        reply = predict(site, model, body)
        assert reply.status in {200, 400, 413, 422}, (body[:40], reply)
        form = predict(site, model, body, content_type="multipart/form-data; boundary=X")
        assert form.status in {400, 422}, (body[:40], form)
    assert predict(site, model, b"--X--", content_type="multipart/form-data").status == 400


@pytest.mark.parametrize("model", ["greeter", "picture", "toy"])
def test_requests_made_from_a_models_own_description_bring_forth_no_5xx(site: Site, model: str) -> None:
    described = site.call("GET", f"/predict/{model}/openapi.json").json()
    found: list[Any] = list(schemathesis.openapi.from_dict(described).get_all_operations())
    (operation,) = [one.ok() for one in found]

    @settings(
        max_examples=8,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)))
    def ask_for(case: Case) -> None:
        response = case.call(base_url=site.public, headers={"X-API-Key": site.key})
        assert response.status_code < 500, (response.status_code, response.content, case.body)

    ask_for()
    assert all(part.restarts == 0 for part in site.watch().parts if part.name == f"serving-{model}-0")


def test_a_class_that_cannot_be_loaded_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text("class Greeter:\n    def predict(self, name)\n        return name\n")
    manifest = tmp_path / "modelwright.yaml"
    manifest.write_text('schema: 1\nname: own\nmodels:\n  greeter: {engine: {kind: "python:models:Greeter"}}\n')
    found = modelwright("up", "-f", str(manifest), "--port", "0", "--admin-port", "0")
    assert found.returncode != 0
    assert "models.py, line 2" in found.stdout + found.stderr


def test_the_example_is_valid() -> None:
    assert modelwright("check", "-f", str(ROOT / "examples" / "custom" / "modelwright.yaml")).returncode == 0
