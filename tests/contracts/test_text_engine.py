"""One suite over every text engine: submit, step, cancel, bounds."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwright.adapters.engines.gguf_codec import gguf_codec
from modelwright.adapters.engines.openvino_llm import OpenVinoLlm
from modelwright.adapters.engines.toy_text import ToyTextEngine, byte_codec
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import (
    Constraint,
    Delta,
    EngineConfig,
    Sampling,
    TextCodec,
    TextEngine,
    TextSignature,
)
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


def _bound(kind: str, grammar: str) -> Sampling:
    return Sampling(max_tokens=10, temperature=0.0, constraint=Constraint(kind, grammar))


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
    engine.submit(1, codec.encode("?"), _bound("json_schema", schema))
    tokens, finish = _finish(engine, 1)[1]
    assert codec.decoder().push(tokens) in {'"yes"', '"no"'}
    assert finish == "stop"


@pytest.mark.parametrize(
    ("kind", "grammar", "texts"),
    [
        ("regex", "[a-c]{3}-[0-9]{2}", None),
        ("regex", r"(yes)|(no \(really\))", {"yes", "no (really)"}),
        ("grammar", 'root ::= "left" | "right"', {"left", "right"}),
    ],
)
def test_a_grammar_binds_the_answer(tmp_path: Path, kind: str, grammar: str, texts: set[str] | None) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    engine, codec = OpenVinoLlm(), gguf_codec(str(path))
    engine.load(_config(path))
    sampling = Sampling(max_tokens=20, temperature=1.0, seed=5, constraint=Constraint(kind, grammar))
    engine.submit(1, codec.encode("?"), sampling)
    tokens, finish = _finish(engine, 1)[1]
    text = codec.decoder().push(tokens)
    assert text in texts if texts else re.fullmatch(grammar, text)
    assert finish == "stop"


def test_a_grammar_that_cannot_be_compiled_fails_alone(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    engine = OpenVinoLlm()
    engine.load(_config(path))
    neighbour = Sampling(max_tokens=12, temperature=0.0)
    engine.submit(1, [1, 80, 90], neighbour)
    undisturbed = _finish(engine, 1)[1]
    grammars = [
        ("json_schema", '{"type":"nonsense"}'),
        ("regex", "(["),
        ("grammar", "root := "),
        ("json_schema", '{"enum":["yes"]}'),
    ]
    for number, (kind, grammar) in enumerate(grammars):
        engine.submit(number, [5], _bound(kind, grammar))
    ended: dict[int, Delta] = {}
    answers: list[list[int]] = []
    running = 100
    while len(ended) < len(grammars) or not answers:  # a neighbour runs at every moment
        running += 1
        engine.submit(running, [1, 80, 90], neighbour)
        answers.append([])
        while running not in ended:
            for delta in engine.step():
                assert delta.request not in ended, "a delta after the end"
                if delta.request == running:
                    answers[-1].extend(delta.tokens)
                if delta.finish:
                    ended[delta.request] = delta
        del ended[running]
    assert [ended[number].finish for number in range(4)] == ["refused", "refused", "refused", "stop"]
    assert ended[0].error == 'the JSON schema cannot be compiled: Unsupported type "nonsense"'
    assert ended[1].error.startswith("the regular expression cannot be compiled: ")
    assert ended[2].error.startswith("the grammar cannot be compiled: ")
    assert all((answer, "length") == undisturbed for answer in answers)


TANGLED = (
    "root ::= a0\n" + "".join(f"a{at} ::= a{at + 1} a{at + 1} | a{at + 1}\n" for at in range(80)) + "a80 ::= [a-z]"
)
"""Says the same in so many ways that every token takes longer to find than the one before."""
HOSTILE = {
    "expression without bottom": ("regex", "(" * 30_000 + "a" + ")" * 30_000, "brings its compiler down"),
    "grammar without bottom": (
        "grammar",
        "root ::= " + "(" * 30_000 + '"a"' + ")" * 30_000,
        "brings its compiler down",
    ),
    "schema without end": ("json_schema", '{"type":"array","items":' * 1000 + "{}" + "}" * 1000, "more than 2 seconds"),
    "tangled grammar": ("grammar", TANGLED, "says the same in too many ways"),
}


def test_a_hostile_grammar_fails_alone_and_in_time(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    engine = OpenVinoLlm()
    engine.load(_config(path))
    neighbour = Sampling(max_tokens=12, temperature=0.0)
    engine.submit(1, [1, 80, 90], neighbour)
    undisturbed = _finish(engine, 1)[1]
    for number, (kind, grammar, words) in enumerate(HOSTILE.values(), 10):
        bound = Sampling(max_tokens=100, min_tokens=100, temperature=0.0, constraint=Constraint(kind, grammar))
        engine.submit(number, [5], bound)
        engine.submit(1, [1, 80, 90], neighbour)
        tokens: list[int] = []
        ended: dict[int, Delta] = {}
        while len(ended) < 2:
            for delta in engine.step():
                tokens += delta.tokens if delta.request == 1 else ()
                if delta.finish:
                    ended[delta.request] = delta
        assert (tokens, ended[1].finish) == undisturbed
        assert ended[number].finish == "refused"
        assert words in ended[number].error
    engine.submit(2, [5], _bound("regex", "[a-c]{3}"))
    assert len(_finish(engine, 2)[2][0]) == 3


def test_end_tokens_of_a_request_end_its_answer_and_are_no_part_of_it(loaded: Loaded) -> None:
    engine, codec, _ = loaded
    prompt = codec.encode("hello world")
    engine.submit(90, prompt, GREEDY)
    tokens, _ = _finish(engine, 90)[90]
    engine.submit(91, prompt, Sampling(max_tokens=8, temperature=0.0, stop_tokens=(tokens[2],)))
    engine.submit(92, prompt, Sampling(max_tokens=8, temperature=0.0, stop_tokens=(tokens[0],), min_tokens=1))
    ended = _finish(engine, 91, 92)
    assert ended[91] == (tokens[: tokens.index(tokens[2])], "stop")
    assert ended[92][0], "not before so many tokens"


def test_seeds_make_the_difference(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    engine = OpenVinoLlm()
    engine.load(_config(path))
    for number in (1, 2, 3):
        engine.submit(number, [1, 80, 90], Sampling(max_tokens=12, temperature=1.0, seed=number))
    answers = _finish(engine, 1, 2, 3)
    assert len({tuple(tokens) for tokens, _ in answers.values()}) == 3


def test_min_p_leaves_the_likeliest(loaded: Loaded) -> None:
    engine, codec, _ = loaded
    prompt = codec.encode("hello world")
    engine.submit(95, prompt, GREEDY)
    engine.submit(96, prompt, Sampling(max_tokens=8, temperature=1.0, min_p=0.999, seed=1))
    answers = _finish(engine, 95, 96)
    assert answers[95] == answers[96]


@pytest.mark.parametrize("prefix_cache", [True, False])
def test_a_prompt_seen_before_gets_the_same_answer(tmp_path: Path, *, prefix_cache: bool) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", context=512)
    engine = OpenVinoLlm()
    engine.load(_config(path, prefix_cache=prefix_cache))
    prompt = [5, 6, 7, 8] * 60
    answers: list[tuple[list[int], str]] = []
    for number, ids in enumerate((prompt, prompt, [*prompt, 9], prompt)):
        engine.submit(number, ids, GREEDY)
        answers.append(_finish(engine, number)[number])
    assert answers[0] == answers[1] == answers[3]
    assert engine.step() == []
    assert engine.cache_usage == 0.0, "what is only remembered can be given up at any time"


def test_the_cache_in_use_is_told(loaded: Loaded) -> None:
    engine, codec, _ = loaded
    engine.submit(97, codec.encode("hello world"), GREEDY)
    engine.step()
    assert 0 < engine.cache_usage <= 1
    _finish(engine, 97)


def test_an_option_that_does_not_exist_is_named(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    with pytest.raises(StartError, match="did you mean 'prefix_cache'"):
        _openvino_loads(path, prefix_cash=True)()


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
