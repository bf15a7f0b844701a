"""What a newcomer does: start the quickstart, paste the printed commands, use the official SDKs."""

import asyncio
import json

import numpy as np
import openai
import pytest
import tritonclient.http as triton
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.running import QUICKSTART, Site, modelwright, pasted

pytestmark = pytest.mark.e2e

TOOLS = [{"type": "function", "function": {"name": "add"}}]
SUM: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is 12 plus 30?"}]


@pytest.fixture
def client(quickstart_site: Site) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{quickstart_site.public}/v1", api_key=quickstart_site.key, max_retries=0)


def test_the_printed_chat_command_streams_a_right_sum(quickstart_site: Site) -> None:
    export, chat, *_ = quickstart_site.commands
    assert export == f"export KEY={quickstart_site.key}"
    assert chat.startswith(
        f'curl -N {quickstart_site.public}/v1/chat/completions -H "Authorization: Bearer $KEY" -d \''
    )
    events = [line.removeprefix("data: ") for line in pasted(quickstart_site, chat).splitlines() if line]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]]
    assert "".join(pieces) == "3 plus 4 is 7."
    assert sum(1 for piece in pieces if piece) > 3, "it came token by token"


def test_the_printed_infer_command_gives_the_right_digit(quickstart_site: Site) -> None:
    infer = quickstart_site.commands[2]
    assert infer.startswith(f'curl {quickstart_site.public}/v2/models/digits/infer -H "X-API-Key: $KEY" -d @')
    outputs = {output["name"]: output for output in json.loads(pasted(quickstart_site, infer))["outputs"]}
    assert outputs["label"]["data"] == [7]
    assert outputs["probabilities"]["shape"] == [1, 10]


def test_the_printed_status_command_shows_a_table(quickstart_site: Site) -> None:
    command = quickstart_site.commands[3]
    assert " status -f " in command
    table = pasted(quickstart_site, command)
    for part in ("gateway-0", "serving-digits-0", "serving-chat-0", "control"):
        assert part in table
    assert "set OPENAI_API_KEY" in table


def test_the_key_is_the_same_on_the_second_start_and_private(quickstart_site: Site) -> None:
    kept = quickstart_site.state / "keys" / "development"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text().strip() == quickstart_site.key


def test_the_openai_sdk(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=SUM, temperature=0)
    assert answer.choices[0].message.content == "12 plus 30 is 42."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_openai_sdk_streams(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="chat", messages=SUM, temperature=0, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "12 plus 30 is 42."
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks), "usage was not asked for"


def test_the_openai_sdk_streams_usage_when_asked(client: openai.OpenAI) -> None:
    *_, last = client.chat.completions.create(
        model="chat", messages=SUM, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 3


async def test_the_async_sdk_runs_many_at_once(quickstart_site: Site) -> None:
    async def added(client: openai.AsyncOpenAI, left: int, right: int) -> str:
        asked: list[ChatCompletionMessageParam] = [{"role": "user", "content": f"What is {left} plus {right}?"}]
        stream = await client.chat.completions.create(model="chat", messages=asked, temperature=0, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    pairs = [(3, 4), (10, 5), (20, 22), (7, 8), (50, 25), (1, 1), (9, 9), (30, 12)] * 3
    async with openai.AsyncOpenAI(base_url=f"{quickstart_site.public}/v1", api_key=quickstart_site.key) as client:
        answers = await asyncio.gather(*(added(client, *pair) for pair in pairs))
    assert answers == [f"{left} plus {right} is {left + right}." for left, right in pairs]


def test_the_sdk_completes_text(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="chat", prompt="hello", max_tokens=4, temperature=0)
    assert answer.choices[0].finish_reason in {"length", "stop"}
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 4


def test_the_sdk_lists_models(client: openai.OpenAI) -> None:
    assert {"chat", "digits", "remote"} <= {model.id for model in client.models.list()}


def test_logprobs_and_seed(client: openai.OpenAI) -> None:
    answers = [
        client.chat.completions.create(model="chat", messages=SUM, temperature=1.0, seed=11, logprobs=True)
        for _ in range(2)
    ]
    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content
    told = answers[0].choices[0].logprobs
    assert told is not None
    assert "".join(token.token for token in told.content or []) == answers[0].choices[0].message.content


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        ({"model": "nobody"}, openai.NotFoundError, "unknown_endpoint"),
        ({"model": "digits"}, openai.UnprocessableEntityError, "unprocessable"),
        ({"model": "chat", "temperature": 9}, openai.BadRequestError, "malformed"),
        ({"model": "chat", "tools": TOOLS}, openai.UnprocessableEntityError, "unprocessable"),
        ({"model": "chat", "max_tokens": 100_000}, openai.BadRequestError, "context_length_exceeded"),
        ({"model": "remote"}, openai.InternalServerError, "provider_off"),
    ],
)
def test_the_sdk_raises_the_error_it_knows(
    client: openai.OpenAI, arguments: dict, kind: type[openai.APIStatusError], code: str
) -> None:
    for stream in (False, True):
        with pytest.raises(kind) as caught:
            client.chat.completions.create(**{"messages": SUM, "stream": stream, **arguments})
        assert caught.value.code == code
        assert caught.value.request_id, "support can be asked about this call"


def test_a_wrong_key_is_an_authentication_error(quickstart_site: Site) -> None:
    stranger = openai.OpenAI(base_url=f"{quickstart_site.public}/v1", api_key="mw-wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        stranger.chat.completions.create(model="chat", messages=SUM)
    assert caught.value.code == "unauthenticated"


def test_tritonclient_infers_by_json_and_binary(quickstart_site: Site) -> None:
    request = json.loads((QUICKSTART / "seven.json").read_text())["inputs"][0]
    image = np.asarray(request["data"], np.float32).reshape(request["shape"])
    headers = {"Authorization": f"Bearer {quickstart_site.key}"}
    with triton.InferenceServerClient(quickstart_site.public.removeprefix("http://")) as client:
        assert client.is_server_live()
        assert client.is_model_ready("digits", headers=headers)
        assert client.get_model_metadata("digits", headers=headers)["inputs"][0]["datatype"] == "FP32"
        for binary in (True, False):
            tensor = triton.InferInput("image", [1, 64], "FP32")
            tensor.set_data_from_numpy(image, binary_data=binary)
            wanted = [triton.InferRequestedOutput("label", binary_data=binary)]
            found = client.infer("digits", [tensor], outputs=wanted, headers=dict(headers))  # it writes into them
            label = found.as_numpy("label")
            assert label is not None
            assert label.tolist() == [7]


def test_explain_names_the_variant_that_answers(quickstart_site: Site) -> None:
    told = modelwright("explain", "chat", "--user", "u1", "--json", "-f", str(quickstart_site.manifest))
    assert told.returncode == 0, told.stderr
    answer = quickstart_site.call(
        "POST", "/v1/chat/completions", json.dumps({"model": "chat", "messages": SUM, "user": "u1"}).encode()
    )
    assert answer.headers["x-modelwright-variant"] == json.loads(told.stdout)["variant"]


def test_nothing_private_is_in_what_it_printed(quickstart_site: Site) -> None:
    pepper = (quickstart_site.state / "pepper").read_text().strip()
    printed = "".join(quickstart_site.lines)
    assert pepper not in printed
    secret = quickstart_site.key.rpartition("-")[2]
    logged = [line for line in quickstart_site.lines if secret in line and '"commands"' not in line]
    assert logged == [], "the key stands only in the line that is meant for its owner"
