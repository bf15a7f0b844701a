import json
import shlex
from pathlib import Path

import msgspec
import pytest

from modelwright.app.supervise.welcome.commands import Place, Shown, commands, program_name
from modelwright.app.supervise.welcome.examples import TensorTold, Told
from modelwright.core.contracts.snapshot import Endpoint, ProviderEntry, Snapshot, Variant

PUBLIC = "http://127.0.0.1:8000"
CHAT = (
    'curl -N http://127.0.0.1:8000/v1/chat/completions -H "Authorization: Bearer $KEY" -d '
    '\'{"model":"chat","stream":true,"messages":[{"role":"user","content":"What is 3 plus 4?"}]}\''
)


def endpoint(name: str, *models: str) -> Endpoint:
    variants = tuple(Variant(name=model, provider=f"serving:{model}", model=model) for model in models)
    return Endpoint(name=name, operations=("chat",), variants=variants)


def snapshot(*endpoints: Endpoint, auth: str = "required") -> Snapshot:
    return Snapshot(
        serial=0, name="quickstart", environment="development", manifest="", release="", auth=auth, split_salt="",
        max_body=1, max_in_flight=1, endpoints=endpoints,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    example = tmp_path / "examples" / "quickstart"
    example.mkdir(parents=True)
    (example / "sum.json").write_text('{"messages": [{"role": "user", "content": "What is 3 plus 4?"}]}')
    (example / "seven.json").write_text('{"inputs": []}')
    return tmp_path


def place(folder: Path) -> Place:
    return Place(folder=folder, program=".venv/bin/modelwright", manifest="examples/quickstart/modelwright.yaml")


def shown(folder: Path) -> list[Shown]:
    example = folder / "examples" / "quickstart"
    return [
        Shown(model="digits", wire="v2", check=example / "seven.json"),
        Shown(model="chat", wire="openai", check=example / "sum.json"),
    ]


def test_quickstart_prints_the_documented_commands(folder: Path) -> None:
    site = snapshot(endpoint("digits", "digits"), endpoint("chat", "chat"))
    assert commands(site, shown(folder), public=PUBLIC, key="mw-a-b", place=place(folder)) == [
        "export KEY=mw-a-b",
        CHAT,
        'curl http://127.0.0.1:8000/v2/models/digits/infer -H "X-API-Key: $KEY" -d @examples/quickstart/seven.json',
        ".venv/bin/modelwright status -f examples/quickstart/modelwright.yaml",
    ]


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ('{"name": "Ada"}', "/predict/greeter"),
        ('{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}', "/v2/models/greeter/infer"),
        ('{"inputs": "Ada"}', "/predict/greeter"),
    ],
)
def test_a_class_of_the_users_is_asked_as_its_check_does(folder: Path, asked: str, path: str) -> None:
    check = folder / "check.json"
    check.write_text(asked)
    models = [Shown(model="greeter", wire="plain", check=check)]
    lines = commands(snapshot(endpoint("greeter", "greeter")), models, public=PUBLIC, key="k", place=place(folder))
    assert lines[1] == f'curl {PUBLIC}{path} -H "X-API-Key: $KEY" -d @check.json'


def test_model_behind_another_name_is_called_by_that_name(folder: Path) -> None:
    site = snapshot(endpoint("assistant", "chat"))
    line = commands(site, shown(folder), public=PUBLIC, key="mw-a-b", place=place(folder))[1]
    assert json.loads(shlex.split(line)[-1])["model"] == "assistant"


def test_without_a_model_of_ours_a_provider_that_is_on_is_called(folder: Path) -> None:
    def remote(name: str) -> Endpoint:
        return Endpoint(name=name, operations=("chat",), variants=(Variant(name="only", provider=name, model="m"),))

    def provider(name: str, off: str = "") -> ProviderEntry:
        return ProviderEntry(name=name, kind="openai", base_urls=("http://up/v1",), off=off)

    site = msgspec.structs.replace(
        snapshot(remote("one"), remote("two")), providers=(provider("one", off="set ONE_KEY"), provider("two"))
    )
    line = commands(site, [], public=PUBLIC, key="mw-a-b", place=place(folder))[1]
    assert line.startswith(f'curl -N {PUBLIC}/v1/chat/completions -H "Authorization: Bearer $KEY" -d ')
    assert json.loads(shlex.split(line)[-1])["model"] == "two"


def test_open_site_needs_no_key(folder: Path) -> None:
    site = snapshot(endpoint("digits", "digits"), auth="none")
    lines = commands(site, shown(folder), public=PUBLIC, key="", place=place(folder))
    assert lines[0] == f"curl {PUBLIC}/v2/models/digits/infer -d @examples/quickstart/seven.json"
    assert not any("KEY" in line for line in lines)


def test_without_a_key_it_says_how_to_make_one(folder: Path) -> None:
    lines = commands(snapshot(), [], public=PUBLIC, key="", place=place(folder))
    made = ".venv/bin/modelwright keys create NAME -f examples/quickstart/modelwright.yaml"
    assert lines == [
        f"export KEY=…    # from: {made}",
        ".venv/bin/modelwright status -f examples/quickstart/modelwright.yaml",
    ]


def test_words_that_a_shell_would_read_are_quoted(folder: Path) -> None:
    odd = folder / "my $models"
    odd.mkdir()
    (odd / "ask.json").write_text(json.dumps({"prompt": "it's $5", "model": "other", "stream": False}))
    models = [
        Shown(model="chat", wire="openai", check=odd / "ask.json"),
        Shown(model="digits", wire="v2", check=odd / "ask.json"),
    ]
    site = snapshot(endpoint("chat", "chat"), endpoint("digits", "digits"))
    _, chat, infer, _ = commands(site, models, public=PUBLIC, key="k", place=place(folder))
    words = shlex.split(chat)
    assert words[2] == f"{PUBLIC}/v1/completions"
    assert json.loads(words[-1]) == {"model": "chat", "stream": True, "prompt": "it's $5"}
    assert shlex.split(infer)[-1] == "@my $models/ask.json"


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("modelwright", "modelwright"),
        (".venv/bin/modelwright", ".venv/bin/modelwright"),
        ("./bin/../bin/modelwright", "bin/modelwright"),
        ("/opt/tools/modelwright", "/opt/tools/modelwright"),
        ("/opt/site-packages/modelwright/__main__.py", "python -m modelwright"),
    ],
)
def test_program_is_called_as_it_was(argument: str, name: str, tmp_path: Path) -> None:
    assert program_name(argument, tmp_path) == name


def test_program_in_the_folder_below_is_named_relatively(tmp_path: Path) -> None:
    assert program_name(str(tmp_path / ".venv/bin/modelwright"), tmp_path) == ".venv/bin/modelwright"


def told(name: str) -> dict[str, Told]:
    return {name: Told(inputs=(TensorTold(name="x", datatype="FP32", shape=(-1, 2)),))}


def test_a_model_without_a_check_is_called_by_what_it_says_of_itself(folder: Path) -> None:
    site = snapshot(endpoint("digits", "digits"), endpoint("chat", "chat"))
    models = [Shown(model="digits", wire="v2"), Shown(model="chat", wire="openai")]
    lines = commands(site, models, public=PUBLIC, key="k", place=place(folder), told=told("digits"))
    assert json.loads(shlex.split(lines[1])[-1])["messages"]
    assert lines[2] == f"""curl {PUBLIC}/predict/digits -H "X-API-Key: $KEY" -d '{{"x":[[0,0]]}}'"""
    silent = commands(site, models, public=PUBLIC, key="k", place=place(folder))
    assert [line for line in silent if "digits" in line] == []


def test_a_model_with_a_check_comes_before_one_without(folder: Path) -> None:
    site = snapshot(endpoint("other", "other"), endpoint("digits", "digits"))
    models = [Shown(model="other", wire="v2"), *shown(folder)]
    lines = commands(site, models, public=PUBLIC, key="k", place=place(folder), told=told("other"))
    assert [line for line in lines if "/other" in line] == []
    assert any("/digits/infer" in line for line in lines)


def test_an_endpoint_of_vectors_is_asked_for_vectors(folder: Path) -> None:
    site = snapshot(msgspec.structs.replace(endpoint("texts", "texts"), operations=("infer", "predict", "embeddings")))
    models = [Shown(model="texts", wire="v2")]
    line = commands(site, models, public=PUBLIC, key="k", place=place(folder))[1]
    assert shlex.split(line)[1] == f"{PUBLIC}/v1/embeddings"
    assert json.loads(shlex.split(line)[-1]) == {"model": "texts", "input": "hello"}
