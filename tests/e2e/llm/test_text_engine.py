"""The embedded engine behind a whole site: OpenAI's SDK, forms of answers, several answers, bad requests."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import openvino as ov
import openvino_genai as genai
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from modelwright.adapters.engines.gguf_codec import gguf_codec
from tests.e2e.clients import ask, patient
from tests.e2e.running import Reply, Site, running
from tests.making.openvino_folder import write_openvino_folder

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: engine
models:
  tiny:
    source: ./tiny.gguf
    engine: {context: 2048, cache: 64MiB, threads: 1}
    batching: {max_sequences: 4, queue_rows: 4}
  folder: {source: ./exported, engine: {cache: 64MiB, threads: 1}}
"""
HELLO: Any = [{"role": "user", "content": "hello"}]
PROMPTS = [[101, 102], [70, 80, 90, 100], list(range(10, 60))]
"""Ids of tokens."""
ENDLESS = {"max_tokens": 1900, "min_tokens": 1900}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    write_openvino_folder(folder / "exported", context=2048)  # tiny.gguf stays beside it
    with running(MANIFEST, folder=folder) as started:
        patient(lambda: started.call("GET", "/readyz").status == 200, waiting_for="the gateway to see its workers")
        yield started


@pytest.fixture
def client(site: Site) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0)


def metric(site: Site, name: str, **labels: str) -> float:
    text = ask(site.runtime / "serving-tiny-0.sock", "/metrics").body.decode()
    return next(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"modelwright_serving_{name}" and labels.items() <= sample.labels.items()
    )


def chat(site: Site, **fields: Any) -> Reply:
    return site.call("POST", "/v1/chat/completions", json.dumps({"model": "tiny", "messages": HELLO} | fields).encode())


def test_n_answers_with_one_usage(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="tiny", messages=HELLO, n=3, seed=7, max_tokens=12)
    texts = [choice.message.content for choice in answer.choices]
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len(set(texts)) == 3, "each has a seed of its own"
    alone = client.chat.completions.create(model="tiny", messages=HELLO, seed=7, max_tokens=12)
    assert alone.choices[0].message.content == texts[0], "the first one is what n=1 would have got"
    assert answer.usage
    assert alone.usage
    assert answer.usage.prompt_tokens == alone.usage.prompt_tokens
    assert answer.usage.completion_tokens > alone.usage.completion_tokens


async def test_n_answers_stream_beside_each_other(site: Site) -> None:
    asked: dict[str, Any] = {"model": "tiny", "messages": HELLO, "n": 3, "seed": 7, "max_tokens": 12}
    async with openai.AsyncOpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0) as client:
        whole = await client.chat.completions.create(**asked)
        stream = await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
        texts: dict[int, str] = {}
        usages = []
        async for chunk in stream:
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            usages += [chunk.usage] if chunk.usage else []
    assert texts == {choice.index: choice.message.content for choice in whole.choices}
    assert whole.usage
    assert [(usage.prompt_tokens, usage.completion_tokens) for usage in usages] == [
        (whole.usage.prompt_tokens, whole.usage.completion_tokens)
    ]


async def test_many_callers_at_once_get_what_each_would_get_alone(site: Site) -> None:
    async with openai.AsyncOpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0) as client:

        async def said(number: int) -> str | None:
            messages: Any = [{"role": "user", "content": f"number {number}"}]
            answer = await client.chat.completions.create(
                model="tiny", messages=messages, temperature=0, max_tokens=9
            )  # fmt: skip
            return answer.choices[0].message.content

        alone = [await said(number) for number in range(6)]
        assert await asyncio.gather(*map(said, range(6))) == alone


def test_without_a_seed_answers_differ(client: openai.OpenAI) -> None:
    texts = {
        client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=12).choices[0].message.content
        for _ in range(4)
    }
    assert len(texts) > 1


@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ({"guided_regex": "[a-c]{4}"}, "[a-c]{4}"),
        ({"structured_outputs": {"regex": "x[0-9]{2}"}}, "x[0-9]{2}"),
        ({"structured_outputs": {"choice": ["left", "right (or so)"]}}, r"left|right \(or so\)"),
        ({"guided_grammar": 'root ::= "yes" | "no"'}, "yes|no"),
        ({"response_format": {"type": "regex", "value": "[01]{8}"}}, "[01]{8}"),
        ({"guided_json": {"enum": ["a", "b"]}}, '"a"|"b"'),
    ],
)
def test_answers_keep_the_form_that_was_asked_for(client: openai.OpenAI, fields: Any, pattern: str) -> None:
    answer = client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=40, n=2, extra_body=fields)
    for choice in answer.choices:
        assert re.fullmatch(pattern, choice.message.content or ""), choice


def test_a_completion_takes_a_list_of_prompts_echoes_and_knows_ids(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model="folder", prompt=["one", "two"], n=2, echo=True, max_tokens=5, seed=1, temperature=1
    )
    assert [choice.text[:3] for choice in answer.choices] == ["one", "one", "two", "two"]
    by_text = client.completions.create(model="tiny", prompt="ab", max_tokens=5, temperature=0, logprobs=1)
    by_ids = client.completions.create(model="tiny", prompt=[101, 102], max_tokens=5, temperature=0)
    assert by_text.usage
    assert by_text.usage.prompt_tokens == 2
    assert by_text.choices[0].logprobs
    assert len(by_text.choices[0].logprobs.tokens or ()) == 5
    assert by_ids.choices[0].text == by_text.choices[0].text


def test_a_folder_answers_as_the_same_model_as_gguf(client: openai.OpenAI) -> None:
    answers = {
        client.chat.completions.create(model=model, messages=HELLO, temperature=0, max_tokens=20)
        .choices[0]
        .message.content
        for model in ("tiny", "folder")
    }
    assert len(answers) == 1


@pytest.mark.parametrize(("model", "file"), [("tiny", "tiny.gguf"), ("folder", "exported")])
def test_ids_are_the_librarys_own(client: openai.OpenAI, site: Site, model: str, file: str) -> None:
    """Compared with a pipeline of the library without anything of ours around it."""
    folder = site.manifest.parent
    codec = gguf_codec(str(folder / "tiny.gguf"))
    for prompt, (ids, probabilities) in zip(PROMPTS, greedy(folder / file, PROMPTS), strict=True):
        answer = client.completions.create(model=model, prompt=prompt, max_tokens=24, temperature=0, logprobs=1)
        told = answer.choices[0].logprobs
        assert told
        assert told.tokens == [codec.text(token).decode("utf-8", "replace") for token in ids]
        assert told.token_logprobs == pytest.approx(probabilities, abs=1e-4)


def greedy(path: Path, prompts: list[list[int]]) -> list[tuple[list[int], list[float]]]:
    """Ids and natural log-probabilities by OpenVINO GenAI alone, in 32 bits."""
    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = 64
    exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    pipeline = genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", {**exact, "INFERENCE_NUM_THREADS": 1})
    wanted = genai.GenerationConfig(max_new_tokens=24, do_sample=False, logprobs=1, stop_token_ids={0})
    handles = [
        pipeline.add_request(number, ov.Tensor(np.array([prompt], np.int64)), wanted)
        for number, prompt in enumerate(prompts)
    ]
    found: list[tuple[list[int], list[float]]] = [([], []) for _ in prompts]
    while pipeline.has_non_finished_requests():
        pipeline.step()
        for (ids, probabilities), handle in zip(found, handles, strict=True):
            while handle.can_read():
                (output,) = handle.read().values()
                ids.extend(output.generated_ids)
                probabilities.extend(output.generated_log_probs)
    return [
        (ids[:-1], probabilities[: len(ids) - 1]) if ids[-1] == 0 else (ids, probabilities)
        for ids, probabilities in found
    ]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"n": 9}, 400, "n"),
        ({"n": 0}, 400, "n"),
        ({"min_p": 1.5}, 400, "min_p"),
        ({"top_k": -7}, 400, "top_k"),
        ({"stop_token_ids": [100_000]}, 400, "stop_token_ids"),
        ({"guided_regex": "a", "guided_choice": ["b"]}, 400, "guided_choice"),
        ({"max_tokens": 4000}, 400, "messages"),
        ({"logit_bias": {"5": 1}}, 422, "logit_bias"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 422, "tools"),
        ({"guided_regex": "(["}, 422, None),
        ({"guided_grammar": "root :="}, 422, None),
        ({"guided_regex": "(" * 30_000 + "a" + ")" * 30_000}, 422, None),
        ({"guided_json": '{"type":"array","items":' * 1000 + "{}" + "}" * 1000}, 422, None),
    ],
)
def test_what_cannot_be_done_is_refused_in_openais_form(site: Site, fields: Any, status: int, param: str) -> None:
    reply = chat(site, **fields)
    assert reply.status == status, reply.body
    error = reply.json()["error"]
    assert error["param"] == param
    assert error["message"]
    assert (error["code"] == "context_length_exceeded") == ("max_tokens" in fields)


def test_a_stream_that_is_left_frees_all_its_places(site: Site, client: openai.OpenAI) -> None:
    def left() -> float:
        return metric(site, "abandoned_total", model="tiny")

    def is_free() -> bool:
        return metric(site, "sequences", model="tiny", state="running") == 0

    before, tries = left(), 0
    while left() < before + 3:  # whoever stands still for long finds an answer that has come to its end
        tries += 1
        assert tries < 50
        stream = client.chat.completions.create(model="tiny", messages=HELLO, n=4, stream=True, extra_body=ENDLESS)
        next(iter(stream))
        stream.close()
        patient(is_free, waiting_for="free places")
    patient(lambda: metric(site, "kv_usage_ratio", model="tiny") == 0, waiting_for="an empty cache")
    assert metric(site, "first_token_seconds_count", model="tiny") >= 3
    assert chat(site, n=4, max_tokens=3).status == 200


def test_a_flood_of_several_answers_is_bounded(site: Site) -> None:
    refused = metric(site, "overloaded_total", model="tiny")

    async def flood() -> list[int]:
        async with openai.AsyncOpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0) as client:

            async def one() -> int:
                try:
                    await client.chat.completions.create(model="tiny", messages=HELLO, n=4, extra_body=ENDLESS)
                except openai.RateLimitError as error:
                    return error.status_code if "retry-after" in error.response.headers else 0
                return 200

            return await asyncio.gather(*(one() for _ in range(12)))

    statuses = asyncio.run(flood())
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 2, "four run and four wait, at least"
    assert metric(site, "overloaded_total", model="tiny") >= refused + statuses.count(429)


PATHS = st.sampled_from(["chat/completions", "completions"])
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["(", "a{1000}", "root ::= root", '{"type":"object"}', "\0", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
FIELDS = (
    *("n", "max_tokens", "min_tokens", "temperature", "top_p", "top_k", "min_p", "presence_penalty", "seed", "stop"),
    *("frequency_penalty", "repetition_penalty", "stop_token_ids", "response_format", "guided_regex", "guided_choice"),
    *("guided_grammar", "guided_json", "structured_outputs", "logprobs", "top_logprobs", "messages", "prompt", "echo"),
    *("suffix", "best_of", "stream_options", "tools", "logit_bias"),
)
SOUND = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(1, 4),
        "top_k": st.integers(0, 400),
        "min_p": st.floats(0, 0.99),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "repetition_penalty": st.floats(0.01, 10),
        "presence_penalty": st.floats(-2, 2),
        "guided_regex": st.text("ab[](){}|*+?.\\d^$-", max_size=9),
        "stop_token_ids": st.lists(st.integers(0, 260), max_size=3),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "min_tokens": st.integers(0, 5),
        "stream": st.booleans(),
    },
)


@settings(
    max_examples=120,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.sampled_from(["chat/completions", "completions"]),
    SOUND,
    st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=2),
)
def _ask_anything(path: str, sound: dict[str, Any], wild: dict[str, Any]) -> None:
    site = _SITES[0]
    body = {"model": "tiny", "max_tokens": 4, "messages": HELLO, "prompt": "hello"} | sound | wild
    reply = site.call("POST", f"/v1/{path}", json.dumps(body).encode())
    assert reply.status < 500, (reply, body)
    assert b'"code":"model_unavailable"' not in reply.body, body


def test_paths_of_tensor_models_are_told_apart_from_those_of_language_models(site: Site) -> None:
    plain = site.call("GET", "/predict/tiny/openapi.json")
    assert (plain.status, plain.json()["error"]["code"]) == (404, "unknown_endpoint")
    assert "'tiny' is not answered at /predict/tiny (it answers chat" in plain.json()["error"]["message"]
    tensors = site.call("GET", "/v2/models/tiny/config")
    assert (tensors.status, "not answered over the V2 protocol" in tensors.json()["error"]) == (404, True)
    for path in ("/v2/models/tiny/config", "/predict/tiny/openapi.json"):  # the worker's own words
        told = ask(site.runtime / "serving-tiny-0.sock", path)
        error = json.loads(told.body)["error"]
        words = error if path.startswith("/v2") else error["message"]
        assert (told.status, "'tiny' is a language model" in words) == (404, True)


def test_a_compressed_request_is_answered(site: Site) -> None:
    body = json.dumps({"model": "tiny", "messages": HELLO, "max_tokens": 2}).encode()
    reply = site.call("POST", "/v1/chat/completions", gzip.compress(body), headers={"content-encoding": "gzip"})
    assert reply.status == 200, reply.body


_SITES: list[Site] = []


def test_no_parameter_brings_the_engine_down(site: Site) -> None:
    _SITES[:] = [site]
    _ask_anything()
    assert site.part("serving-tiny-0").restarts == 0
    assert chat(site, max_tokens=2).status == 200
