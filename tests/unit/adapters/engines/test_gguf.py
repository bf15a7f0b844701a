"""GGUF headers and tokenizers: equality with the tokenizer's own JSON, and clear refusals of damaged files."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from modelwright.adapters.engines.gguf import GgufModel, build_tokenizer, read_gguf
from modelwright.core.errors.starting import BadModelFile

QUICKSTART = Path(__file__).parents[4] / "examples" / "quickstart" / "models" / "chat.gguf"
SPECIALS = ["<|begin|>", "<|end|>", "<|user|>"]
QWEN2 = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
    "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)
LLAMA3 = QWEN2.replace("|\\p{N}|", "|\\p{N}{1,3}|")
TEXTS = [
    "What is 3 plus 4? It's 7, isn't it?",
    "12345 and 67, 890 – 1,000,000.5",
    "你好，3加4等于几？我不知道。",
    "emoji 🙂👩‍👩‍👧 and flags 🇨🇭, é as e\u0301",
    "  leading,   many   spaces\n\n\tand\r\nlines  ",
    "<|user|>Hello<|end|><|begin|>",
    "def f(x):\n    return x**2  # IT'S FINE\n",
    "",
]


def split(pattern: str) -> dict[str, object]:
    """The pre-tokenizer as the model's own tokenizer.json writes it."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    isolated = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [isolated, byte_level]}


GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DIGITS = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, GPT2]}
AS_IN_JSON = {
    "gpt-2": {"pre_tokenizer": GPT2, "normalizer": None, "ignore_merges": False},
    "smollm": {"pre_tokenizer": DIGITS, "normalizer": None, "ignore_merges": False},
    "qwen2": {"pre_tokenizer": split(QWEN2), "normalizer": {"type": "NFC"}, "ignore_merges": False},
    "llama-bpe": {"pre_tokenizer": split(LLAMA3), "normalizer": None, "ignore_merges": True},
}


@cache
def reference(pre: str) -> Tokenizer:
    """A small tokenizer of the given family, from its JSON form."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    parts = {**json.loads(tokenizer.to_str()), "pre_tokenizer": AS_IN_JSON[pre]["pre_tokenizer"]}
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained = Tokenizer.from_str(json.dumps(parts))
    trained.train_from_iterator(TEXTS * 5, trainer)
    parts = json.loads(trained.to_str())
    parts["normalizer"] = AS_IN_JSON[pre]["normalizer"]
    parts["model"]["ignore_merges"] = AS_IN_JSON[pre]["ignore_merges"]
    return Tokenizer.from_str(json.dumps(parts))


def write(path: Path, *, pre: str = "qwen2", change: Callable[[gguf.GGUFWriter], None] | None = None) -> Path:
    """A tiny GGUF with the reference tokenizer and two tensors."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    tokenizer = reference(pre if pre in AS_IN_JSON else "qwen2")
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([token for token, _ in by_id])
    writer.add_token_types([3 if token in SPECIALS else 1 for token, _ in by_id])
    writer.add_token_merges([" ".join(rule) for rule in json.loads(tokenizer.to_str())["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_eot_token_id(2)
    writer.add_chat_template("{{ messages }}")
    if change:
        change(writer)
    writer.add_tensor("token_embd.weight", np.zeros((8, 32), np.float32))
    quantised = gguf.quants.quantize(np.ones((4, 32), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("output.weight", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module", params=sorted(AS_IN_JSON))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Tokenizer]:
    path = write(tmp_path_factory.mktemp("gguf") / "model.gguf", pre=request.param)
    return reference(request.param), build_tokenizer(read_gguf(path))


@pytest.mark.parametrize("text", TEXTS)
def test_tokenizer_gives_the_ids_of_the_models_own_json(pair: tuple[Tokenizer, Tokenizer], text: str) -> None:
    theirs, ours = pair
    ids = ours.encode(text, add_special_tokens=False).ids
    assert ids == theirs.encode(text, add_special_tokens=False).ids
    assert ours.decode(ids, skip_special_tokens=False) == theirs.decode(ids, skip_special_tokens=False)


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_tokenizer_equals_the_json_for_any_text(pair: tuple[Tokenizer, Tokenizer], text: str) -> None:
    theirs, ours = pair
    assert ours.encode(text, add_special_tokens=False).ids == theirs.encode(text, add_special_tokens=False).ids


def test_header_tells_what_the_model_is(tmp_path: Path) -> None:
    model = read_gguf(write(tmp_path / "model.gguf"))
    assert (model.architecture, model.context, model.pre) == ("llama", 64, "qwen2")
    assert (model.layers, model.kv_heads, model.head_size) == (2, 2, 8)
    assert (model.bos, model.eos, model.adds_bos) == (0, (1, 2), False)
    assert model.special_tokens == {"bos_token": "<|begin|>", "eos_token": "<|end|>"}
    assert model.chat_template == "{{ messages }}"
    assert len(model.tokens) == reference("qwen2").get_vocab_size()
    assert model.size == (tmp_path / "model.gguf").stat().st_size


def test_digits_are_single_tokens_where_the_family_says_so(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(read_gguf(write(tmp_path / "model.gguf")))
    assert tokenizer.encode("12345", add_special_tokens=False).tokens == list("12345")


def test_tokens_of_the_user_defined_type_are_whole_but_not_special(tmp_path: Path) -> None:
    model = read_gguf(write(tmp_path / "model.gguf"))
    kinds = (3, 3, 4, *model.token_types[3:])
    tokenizer = build_tokenizer(replace(model, token_types=kinds))
    ids = tokenizer.encode("a<|user|>b<|end|>", add_special_tokens=False).ids
    assert 2 in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a<|user|>b"


def test_default_splitting_takes_three_digits_together(tmp_path: Path) -> None:
    tokenizer = build_tokenizer(read_gguf(write(tmp_path / "model.gguf", pre="default")))
    assert tokenizer.pre_tokenizer is not None
    pieces = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("It's 12345!")]
    assert pieces == ["It", "'", "s", "Ġ", "123", "45", "!"]


def test_every_cut_of_a_file_is_refused_with_place_and_remedy(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    needed = len(whole) - 24  # the last tensor: 4 × 34 bytes, padded to a multiple of 32
    for size in [*range(1, 400), *range(400, needed, 97), needed - 1]:
        cut.write_bytes(whole[:size])
        with pytest.raises(BadModelFile) as caught:
            read_gguf(cut)
        assert caught.value.place == str(cut)
        assert caught.value.hint
    cut.write_bytes(whole[:needed])
    assert read_gguf(cut).context == 64


def test_a_cut_file_says_what_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadModelFile, match=r"the file is cut: .* tensor 'output.weight' would end at byte"):
        read_gguf(path)


@given(place=st.integers(0, 2000), value=st.integers(0, 255))
def test_a_damaged_byte_never_crashes(damaged: tuple[Path, bytes], place: int, value: int) -> None:
    path, whole = damaged
    path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
    refusal = ""
    try:
        build_tokenizer(read_gguf(path))
    except BadModelFile as error:
        refusal = str(error)
    assert not refusal or str(path) in refusal


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = write(tmp_path_factory.mktemp("gguf") / "model.gguf")
    return path, path.read_bytes()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"\x08\x07\x12\x04onnx" * 10, "not a GGUF file"),
        (b"GGUF" + (1).to_bytes(4, "little") + bytes(100), "version 1"),
        (b"GGUF" + (3).to_bytes(4, "big") + bytes(100), "big-endian"),
        (b"GGUF" + (3).to_bytes(4, "little") + b"\xff" * 100, "the file is damaged"),
    ],
)
def test_another_format_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(BadModelFile, match=problem):
        read_gguf(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(BadModelFile, match="cannot be read"):
            read_gguf(path)


def test_another_architecture_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(BadModelFile, match="gemma3; the embedded engine's GGUF reader takes llama, qwen2 and qwen3"):
        read_gguf(path)


def test_an_unknown_pre_tokenizer_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    model = read_gguf(write(tmp_path / "model.gguf", pre="tekken"))
    with pytest.raises(BadModelFile, match="'tekken'; known are default, gpt-2, llama-bpe,"):
        build_tokenizer(model)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("tokenizer.ggml.eos_token_id", 99_999, "eos_token_id is 99999, not one of its tokens"),
        ("llama.context_length", 0, "context length or vocabulary is empty"),
        ("tokenizer.ggml.model", "llama", "tokenizer is of the kind 'llama'"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, *, key: str, value: int | str, problem: str) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        kept = writer.kv_data[0][key]
        writer.kv_data[0][key] = replace(kept, value=value)

    with pytest.raises(BadModelFile, match=problem):
        read_gguf(write(tmp_path / "model.gguf", change=change))


@pytest.mark.parametrize("key", ["llama.context_length", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    path = write(tmp_path / "model.gguf", change=lambda writer: writer.kv_data[0].pop(key) and None)
    with pytest.raises(BadModelFile, match=f"the key {key} is missing"):
        read_gguf(path)


def test_merges_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = read_gguf(write(tmp_path / "model.gguf"))
    for broken in (replace(model, merges=("zzzz yyyy",)), replace(model, merges=("nospace",))):
        with pytest.raises(BadModelFile, match="merges do not fit its tokens"):
            build_tokenizer(broken)


def test_a_token_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    model = read_gguf(write(tmp_path / "model.gguf"))
    with pytest.raises(BadModelFile, match="the token 'a' twice"):
        build_tokenizer(replace(model, tokens=(*model.tokens, "a")))


def test_the_quickstarts_model_reads(quickstart: GgufModel) -> None:
    tokenizer = build_tokenizer(quickstart)
    assert quickstart.architecture == "llama"
    assert quickstart.tokens[quickstart.eos[0]] == "<|end|>"
    assert tokenizer.encode("12", add_special_tokens=False).tokens == ["1", "2"]
    for text in TEXTS[:3]:
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text


@pytest.fixture(scope="module")
def quickstart() -> GgufModel:
    return read_gguf(QUICKSTART)
