"""One suite over every text engine: submit, step, cancel, bounds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from modelwright.adapters.engines.gguf_codec import gguf_codec
from modelwright.adapters.engines.openvino_llm import OpenVinoLlm
from modelwright.adapters.engines.toy_text import ToyTextEngine, byte_codec
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Delta, EngineConfig, Sampling, TextCodec, TextEngine, TextSignature
from tests.making.tiny_gguf import write_tiny_gguf

Loaded = tuple[TextEngine, TextCodec, TextSignature]
GREEDY = Sampling(max_tokens=8, temperature=0.0)


@pytest.fixture(scope="module", params=["toy", "openvino"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("model")
    if request.param == "toy":
        engine: TextEngine = ToyTextEngine()
        return engine, byte_codec(""), engine.load(_config(folder / "none", context=128))
    path = write_tiny_gguf(folder / "tiny.gguf")
    engine = OpenVinoLlm()
    return engine, gguf_codec(str(path)), engine.load(_config(path, context=128))


def _config(path: Path, **options: object) -> EngineConfig:
    return EngineConfig(model="m", path=str(path), options=options)


def _finish(engine: TextEngine, *numbers: int) -> dict[int, tuple[list[int], str]]:
    tokens: dict[int, list[int]] = {number: [] for number in numbers}
    ends: dict[int, str] = {}
    for _ in range(500):
        for delta in engine.step():
            assert delta.request not in ends, "a delta after the end"
            tokens[delta.request].extend(delta.tokens)
            if delta.finish:
                ends[delta.request] = delta.finish
        if len(ends) == len(numbers):
            break
    return {number: (tokens[number], ends[number]) for number in numbers}


def test_signature_is_sound(loaded: Loaded) -> None:
    _, _, signature = loaded
    assert signature.context == 128
    assert signature.vocabulary > 256
    assert signature.precision == "f32"
    assert all(0 <= token < signature.vocabulary for token in signature.eos)


def test_an_answer_ends_at_its_bound(loaded: Loaded) -> None:
    engine, codec, signature = loaded
    engine.submit(1, codec.encode("a long enough prompt"), GREEDY)
    tokens, finish = _finish(engine, 1)[1]
    assert finish in {"length", "stop"}
    assert len(tokens) == 8 if finish == "length" else len(tokens) < 8
    assert not set(tokens) & set(signature.eos)


def test_neighbours_do_not_change_an_answer(loaded: Loaded) -> None:
    engine, codec, _ = loaded
    prompts = {number: codec.encode(f"prompt number {number}") for number in range(10, 16)}
    alone: dict[int, tuple[list[int], str]] = {}
    for number, prompt in prompts.items():
        engine.submit(number, prompt, GREEDY)
        alone |= _finish(engine, number)
    for number, prompt in prompts.items():
        engine.submit(number, prompt, GREEDY)
    assert _finish(engine, *prompts) == alone


def test_a_cancelled_request_is_silent_and_frees_its_place(loaded: Loaded) -> None:
    engine, codec, _ = loaded
    for number in range(20, 60):
        engine.submit(number, codec.encode("to be cancelled, much too long to end at once"), GREEDY)
        engine.step()
        engine.cancel(number)
    engine.cancel(999)
    assert engine.step() == []
    engine.submit(60, codec.encode("hello"), GREEDY)
    assert _finish(engine, 60)[60][0]


def test_logprobs_come_one_per_token_when_asked(loaded: Loaded) -> None:
    engine, codec, _ = loaded
    engine.submit(70, codec.encode("hello world"), Sampling(max_tokens=4, temperature=0.0, logprobs=0))
    seen = engine.step()
    while not seen[-1].finish:
        seen += engine.step()
    assert all([pair.token for pair in delta.logprobs] == list(delta.tokens) for delta in seen)
    assert all(pair.logprob <= 0 for delta in seen for pair in delta.logprobs)


def test_an_idle_engine_steps_to_nothing(loaded: Loaded) -> None:
    assert loaded[0].step() == []


@pytest.mark.parametrize("text", ["plain", "两个字", "emoji 👩‍👩‍👧 end", "tabs\tand\nlines", "1234567890", ""])
def test_text_survives_encoding(loaded: Loaded, text: str) -> None:
    _, codec, _ = loaded
    decoder = codec.decoder()
    pieces = [decoder.push([token]) for token in codec.encode(text)]
    assert "".join(pieces) + decoder.finish() == text
    assert not any("�" in piece for piece in pieces)
    assert b"".join(codec.text(token) for token in codec.encode(text)) == text.encode()


def _openvino_loads(path: Path, **options: object) -> Callable[[], TextSignature]:
    return lambda: OpenVinoLlm().load(_config(path, **options))


def test_sampling_with_a_seed_repeats(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    engine = OpenVinoLlm()
    engine.load(_config(path))
    seeded = Sampling(max_tokens=12, temperature=1.0, seed=42)
    answers: list[list[int]] = []
    for number in (1, 2):
        engine.submit(number, [1, 80, 90], seeded)
        answers.append(_finish(engine, number)[number][0])
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1e-320, 1.0), (1e-12, 1.0), (1e-5, 1.0), (1.0, 0.0), (1.0, 1e-320), (1.0, 1e-5)]
)
def test_sampling_without_a_choice_is_greedy(loaded: Loaded, temperature: float, top_p: float) -> None:
    engine, codec, _ = loaded
    prompt = codec.encode("hello world")
    engine.submit(80, prompt, GREEDY)
    engine.submit(81, prompt, Sampling(max_tokens=8, temperature=temperature, top_p=top_p))
    answers = _finish(engine, 80, 81)
    assert answers[80] == answers[81]


def test_a_json_schema_binds_the_answer(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    engine, codec = OpenVinoLlm(), gguf_codec(str(path))
    engine.load(_config(path))
    schema = '{"type":"string","enum":["yes","no"]}'
    engine.submit(1, codec.encode("?"), Sampling(max_tokens=10, temperature=0.0, json_schema=schema))
    tokens, finish = _finish(engine, 1)[1]
    assert codec.decoder().push(tokens) in {'"yes"', '"no"'}
    assert finish == "stop"


def test_a_schema_that_cannot_be_compiled_fails_alone(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    engine = OpenVinoLlm()
    engine.load(_config(path))
    neighbour = Sampling(max_tokens=12, temperature=0.0)
    engine.submit(1, [1, 80, 90], neighbour)
    undisturbed = _finish(engine, 1)[1]
    engine.submit(2, [1, 80, 90], neighbour)
    begun = [delta for _ in range(4) for delta in engine.step()]
    for number, schema in enumerate(('{"type":"nonsense"}', '{"type":"string","pattern":"["}', '{"enum":["yes"]}'), 3):
        engine.submit(number, [5], Sampling(max_tokens=9, temperature=0.0, json_schema=schema))
    ended: dict[int, Delta] = {}
    while 2 not in ended or 5 not in ended:
        deltas = engine.step()
        begun += [delta for delta in deltas if delta.request == 2]
        ended |= {delta.request: delta for delta in deltas if delta.finish}
    assert [ended[number].finish for number in (2, 3, 4, 5)] == ["length", "refused", "refused", "stop"]
    assert ended[3].error == 'the JSON schema cannot be compiled: Unsupported type "nonsense"'
    assert "Unclosed" in ended[4].error
    assert ([token for delta in begun for token in delta.tokens], "length") == undisturbed


def test_a_cut_file_is_a_bad_model_file(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BadModelFile, match="cut"):
        _openvino_loads(path)()


def test_another_format_is_a_bad_model_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\x03\x04 not a gguf at all" * 10)
    with pytest.raises(BadModelFile, match="GGUF"):
        _openvino_loads(path)()


def test_another_architecture_is_named(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture="gpt2")
    with pytest.raises(BadModelFile, match="llama, qwen2 and qwen3"):
        _openvino_loads(path)()


def test_a_cache_too_small_for_one_context_is_refused_with_the_size_it_needs(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    with pytest.raises(StartError, match="MiB or more"):
        _openvino_loads(path, cache=1024)()
