"""A folder in Hugging Face's layout: what it says of its model, its tokenizer, and what is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from modelwright.adapters.engines.hf_codec import llm_codec
from modelwright.adapters.engines.hf_folder import read_folder
from modelwright.adapters.engines.openvino_llm import OpenVinoLlm
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import BadModelFile
from modelwright.core.ports.engines import Constraint, EngineConfig, Sampling
from tests.making.openvino_folder import write_openvino_folder
from tests.making.tiny_gguf import TEMPLATE

TEXTS = ("plain", "两个字", "emoji 👩‍👩‍👧 end", "<|user|>hello<|end|>", "the other\n", "")
CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 300,
    "max_position_embeddings": 77,
    "eos_token_id": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_openvino_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder whose weights nobody reads, with SentencePiece's way to write tokens."""
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (tmp_path / name).write_bytes(b"x")
    _write(tmp_path, "config.json", CONFIG)
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, "▁a": 3, "b": 4, "<0x0A>": 5, "<0xC3>": 6, "<0xA9>": 7}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def _write(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def test_the_codec_is_that_of_the_same_model_as_gguf(folder: Path) -> None:
    here, there = llm_codec(str(folder)), llm_codec(str(folder.parent / "tiny.gguf"))
    for text in TEXTS:
        ids = here.encode(text)
        assert ids == there.encode(text)
        assert [here.text(token) for token in ids] == [there.text(token) for token in ids]
        assert here.decoder().push(ids) == there.decoder().push(ids)
    talk = [{"role": "user", "content": "hello"}]
    assert here.prompt(talk) == there.prompt(talk)
    assert here.text(10**6) == b""


def test_the_engine_answers_as_with_the_same_model_as_gguf(folder: Path) -> None:
    answers = []
    for path in (folder, folder.parent / "tiny.gguf"):
        engine = OpenVinoLlm()
        signature = engine.load(EngineConfig(model="m", path=str(path)))
        assert (signature.architecture, signature.context, signature.eos) == ("llama", 128, (0,))
        engine.submit(1, [5, 6, 7], Sampling(max_tokens=9, temperature=0.0))
        tokens: list[int] = []
        finish = None
        while not finish:
            for delta in engine.step():
                tokens += delta.tokens
                finish = delta.finish
        answers.append((signature.vocabulary, tokens, finish))
    assert answers[0] == answers[1]


def test_a_grammar_needs_the_engines_own_tokenizer(folder: Path) -> None:
    engine = OpenVinoLlm()
    engine.load(EngineConfig(model="m", path=str(folder)))
    with pytest.raises(Unprocessable, match=r"openvino_tokenizer\.xml"):
        engine.submit(1, [5], Sampling(max_tokens=9, constraint=Constraint("regex", "a+")))
    engine.submit(2, [5], Sampling(max_tokens=1, temperature=0.0))
    assert engine.step()[0].request == 2


def test_bytes_of_tokens_in_sentencepieces_way(bare: Path) -> None:
    codec = llm_codec(str(bare))
    assert b"|".join(codec.text(token) for token in range(8)) == b"<unk>|<s>|</s>| a|b|\n|\xc3|\xa9"
    decoder = codec.decoder()
    assert [decoder.push([token]) for token in (4, 6, 7)] == ["b", "", "é"]


def test_a_beginning_token_comes_first_when_the_model_wants_one(bare: Path) -> None:
    assert llm_codec(str(bare)).encode("b") == [4]
    _write(bare, "tokenizer_config.json", {"bos_token": "<s>", "add_bos_token": True})
    assert llm_codec(str(bare)).encode("b") == [1, 4]


@pytest.mark.parametrize(
    ("files", "template"),
    [
        ({}, None),
        ({"tokenizer_config.json": {"chat_template": "A"}}, "A"),
        ({"tokenizer_config.json": {"chat_template": [{"name": "tool", "template": "T"}]}}, None),
        ({"tokenizer_config.json": {"chat_template": [{"name": "default", "template": "D"}]}}, "D"),
        ({"tokenizer_config.json": {"chat_template": "A"}, "chat_template.json": {"chat_template": "B"}}, "B"),
        ({"chat_template.json": {"chat_template": "B"}, "chat_template.jinja": TEMPLATE}, TEMPLATE),
    ],
)
def test_the_chat_template_is_found_where_transformers_finds_it(
    bare: Path, files: dict[str, object], template: str | None
) -> None:
    for name, content in files.items():
        _write(bare, name, content)
    assert read_folder(str(bare)).chat_template == template


def test_ends_are_those_of_generation(bare: Path) -> None:
    assert read_folder(str(bare)).eos == (2,)
    _write(bare, "generation_config.json", {"eos_token_id": [2, 4]})
    assert read_folder(str(bare)).eos == (2, 4)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "openvino_model.bin").unlink(), "openvino_model.bin is missing"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: _write(folder, "config.json", "{"), "config.json cannot be read"),
        (lambda folder: _write(folder, "config.json", CONFIG | {"vocab_size": "x"}), "config.json cannot be read"),
        (lambda folder: _write(folder, "config.json", CONFIG | {"vocab_size": 0}), "a size below 1"),
        (lambda folder: _write(folder, "config.json", CONFIG | {"eos_token_id": None}), "eos_token_id"),
        (lambda folder: _write(folder, "generation_config.json", "[]"), "generation_config.json cannot be read"),
        (lambda folder: _write(folder, "tokenizer.json", "{}"), "tokenizer.json cannot be read"),
        (lambda folder: _write(folder, "chat_template.jinja", "{% if %}"), "not valid Jinja"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(bare: Path, spoil: Callable[[Path], object], words: str) -> None:
    spoil(bare)
    with pytest.raises(BadModelFile, match=words):
        llm_codec(str(bare))
