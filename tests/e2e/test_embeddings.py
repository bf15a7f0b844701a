"""Our own embedding model behind a whole `modelwright up`: OpenAI's SDK, numpy's numbers, V2, bad input, the cache."""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import openai
import pytest
import tritonclient.http as triton

from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Reply, Site, paste_calls, running
from tests.making.text_models import SIZE, Reference, classifier, encoder, text_of, tokenizer

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: vectors
providers:
  dev: {kind: vllm, base_url: "${env:UPSTREAM}"}
endpoints:
  chat:
    variants: {main: {provider: dev, model: any}}
    cache: {exact: {ttl: 1h}, semantic: {endpoint: sentences, threshold: 0.9, check: 0.001}}
models:
  encoder: {source: ./encoder.onnx}
  sentences:
    batching: {max_rows: 16, queue_rows: 64}
    pipeline:
      steps:
        tokens: {tokenize: ./tokenizer.json, max_tokens: 64}
        encoder: {model: encoder}
        pooled: {pool: mean}
        unit: {normalize: l2}
      embeddings: {shorten: true, max_inputs: 200}
  topics: {source: ./topics.onnx}
  about:
    pipeline:
      steps:
        tokens: {tokenize: ./tokenizer.json, max_tokens: 16, longer: cut}
        topics: {model: topics}
        chances: {activate: softmax}
        named: {label: [weather, animals, places]}
      outputs: {label: named.label, score: named.score, logits: topics.logits}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors")
    tokenizer(folder / "tokenizer.json", padding=True)
    encoder(folder / "encoder.onnx")
    classifier(folder / "topics.onnx")
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    with DevProvider() as dev, running(MANIFEST, folder=folder, env={"UPSTREAM": dev.base_url}) as site:
        yield site


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{site.port}/v1", api_key=site.key, max_retries=0) as made:
        patient(lambda: bool(made.embeddings.create(model="sentences", input="a").data), waiting_for="a vector")
        yield made


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    return Reference(folder / "tokenizer.json")


def test_models_that_are_steps_only_have_no_process_and_no_endpoint(site: Site, client: openai.OpenAI) -> None:
    assert sorted(model.id for model in client.models.list().data) == ["about", "chat", "sentences"]
    names = {part.name for part in site.status().parts if part.kind == "serving"}
    assert names == {"serving-about-0", "serving-sentences-0"}


@pytest.mark.usefixtures("client")
def test_the_calls_that_are_printed_answer(site: Site) -> None:
    answers = paste_calls(site)
    assert list(answers) == ["/v1/chat/completions", "/v1/embeddings", "/predict/about"]
    assert len(json.loads(answers["/v1/embeddings"])["data"][0]["embedding"]) == SIZE
    assert "label" in json.loads(answers["/predict/about"])


@pytest.mark.parametrize("form", ["float", "base64"])
def test_openais_sdk_gets_the_vectors_that_numpy_computes(
    client: openai.OpenAI, reference: Reference, form: str
) -> None:
    texts = [text_of(words, start=words) for words in (1, 40, 3, 17, 60, 8)]
    answer = client.embeddings.create(model="sentences", input=texts, encoding_format=form)  # type: ignore[arg-type]
    rows = [row.embedding for row in answer.data]
    found = np.array([np.frombuffer(base64.b64decode(row), "<f4") if isinstance(row, str) else row for row in rows])
    np.testing.assert_allclose(found, reference.vectors(texts), atol=1e-6)
    assert [row.index for row in answer.data] == [*range(6)]
    tokens = sum(len(reference.ids(text)) for text in texts)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (tokens, tokens)
    assert answer.model == "sentences"


PACKED = {
    "gzip": (200, "gzip", gzip.compress),
    "deflate": (200, "Deflate", zlib.compress),
    "as it is": (200, "identity", bytes),
    "cut short": (400, "gzip", lambda body: gzip.compress(body)[:-9]),
    "not packed": (400, "gzip", bytes),
    "unknown": (422, "br", bytes),
    "bomb": (413, "gzip", lambda _: gzip.compress(bytes(40 << 20))),
}


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(("status", "coding", "pack"), PACKED.values(), ids=PACKED)
def test_a_compressed_request_is_unpacked_within_bounds(
    site: Site, status: int, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    body = pack(b'{"model":"sentences","input":"a text"}')
    reply = site.call("POST", "/v1/embeddings", body, headers={"content-encoding": coding})
    assert reply.status == status, reply.body
    if status != 200:
        assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


def test_text_and_its_token_ids_have_the_same_vector(client: openai.OpenAI, reference: Reference) -> None:
    text = text_of(9)
    ids = reference.ids(text)
    asked = [text, [text], ids, [ids]]
    rows = [client.embeddings.create(model="sentences", input=given).data[0].embedding for given in asked]  # type: ignore[arg-type]
    np.testing.assert_allclose(rows, [reference.vector(text)] * 4, atol=1e-6)


def test_more_texts_than_may_wait_come_back_whole_and_in_order(client: openai.OpenAI, reference: Reference) -> None:
    texts = [text_of(1 + 7 * index % 59, start=index) for index in range(200)]
    answer = client.embeddings.create(model="sentences", input=texts)
    np.testing.assert_allclose([row.embedding for row in answer.data], reference.vectors(texts), atol=1e-6)


def test_dimensions_cut_vectors_off_and_make_them_unit_again(client: openai.OpenAI, reference: Reference) -> None:
    short = client.embeddings.create(model="sentences", input="the cat", dimensions=5).data[0].embedding
    whole = reference.vector("the cat")[:5]
    np.testing.assert_allclose(short, whole / np.linalg.norm(whole), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "words", "param"),
    [
        ({"input": ""}, "input is an empty text", "input"),
        ({"input": []}, "input is empty", "input"),
        ({"input": ["cat", ""]}, "input holds an empty text at 1", "input"),
        ({"input": ["cat", 7]}, "neither a text nor token ids", "input"),
        ({"input": [[]]}, "input holds no token ids at 0", "input"),
        ({"input": [999999]}, "there is no token 999999", None),
        ({"input": [-1]}, "there is no token -1", None),
        ({"input": {"a": 1}}, "input is neither a text nor a list", "input"),
        ({"input": "cat", "encoding_format": "int8"}, "encoding_format is 'int8'", "encoding_format"),
        ({"input": "cat", "dimensions": 0}, "dimensions is 0", "dimensions"),
        ({"input": "cat", "dimensions": SIZE + 1}, "a vector of this model has 16", "dimensions"),
        ({"input": "cat", "dimensions": "all"}, "dimensions", "dimensions"),
        ({"input": ["cat"] * 201}, "holds 201 texts, at most 200", "input"),
        ({"input": ["cat", text_of(63)]}, "text 1 has 65 tokens, at most 64 are taken", "text"),
        ({"input": ["cat", "a b " * 2_500_000]}, "text 1 has 10000000 characters, at most 65536 are read", "text"),
        ({}, "input", "input"),
    ],
)
def test_bad_input_is_told_in_openais_form(
    client: openai.OpenAI, given: dict[str, object], words: str, param: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/embeddings", body={"model": "sentences", **given}, cast_to=object)
    assert words in caught.value.message
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


@pytest.mark.usefixtures("client")
def test_tritons_client_sends_texts_and_gets_vectors_too(site: Site, reference: Reference) -> None:
    texts = [text_of(words) for words in (2, 50, 5)]
    given = triton.InferInput("text", [3], "BYTES")
    given.set_data_from_numpy(np.array([text.encode() for text in texts], object))
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}") as asking:
        headers = {"X-API-Key": site.key}
        metadata = asking.get_model_metadata("sentences", headers=headers)
        assert metadata["platform"] == "ensemble"
        assert metadata["outputs"] == [{"name": "embedding", "datatype": "FP32", "shape": [-1, SIZE]}]
        result = asking.infer("sentences", [given], headers=headers)
    found = result.as_numpy("embedding")
    assert found is not None
    np.testing.assert_allclose(found.astype(np.float32), reference.vectors(texts), atol=1e-6)


@pytest.mark.usefixtures("client")
def test_pipeline_of_another_end_gives_what_it_declares(site: Site) -> None:
    texts = ["rain fell", text_of(40)]
    body = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": texts}]}
    reply = site.call("POST", "/v2/models/about/infer", json.dumps(body).encode())
    assert reply.status == 200, reply
    label, score, logits = reply.json()["outputs"]
    found = np.array(logits["data"]).reshape(2, 3)
    chances = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    assert label["data"] == [["weather", "animals", "places"][index] for index in chances.argmax(axis=1)]
    np.testing.assert_allclose(score["data"], chances.max(axis=1), rtol=1e-5)
    reply = site.call("POST", "/v1/embeddings", b'{"model": "about", "input": "cat"}')
    assert reply.status in {400, 404, 422}, reply


@pytest.mark.usefixtures("client")
def test_semantic_cache_takes_its_vectors_from_our_own_model(site: Site, reference: Reference) -> None:
    first, far = text_of(30), text_of(4, start=11)
    assert float(reference.vector(first) @ reference.vector(far)) < 0.9

    def ask(words: str) -> tuple[str, Reply]:
        body = {"model": "chat", "messages": [{"role": "user", "content": words}]}
        reply = site.call("POST", "/v1/chat/completions", json.dumps(body).encode())
        return reply.headers["x-modelwright-cache"], reply

    marks = [ask(words)[0] for words in (first, far)]
    assert marks == ["miss", "miss"]
    known = [first]
    for word in ("sky", "sea", "sun"):  # one in a thousand is asked all the same, to see whether the answer is right
        near = first.replace("mat", word)
        mark, reply = ask(near)
        if mark == "semantic":
            break
        assert mark == "checked"
        known.append(near)
    assert mark == "semantic"
    assert reply.body in [ask(words)[1].body for words in known]
    alike = max(float(reference.vector(words) @ reference.vector(near)) for words in known)
    assert alike > 0.9
    assert float(reply.headers["x-modelwright-similarity"]) == pytest.approx(alike, abs=1e-4)
