"""Reads what a GGUF file says of its model, and rebuilds its tokenizer; it reads no weights and runs nothing.

The header is parsed here, from the format's specification (github.com/ggml-org/ggml, docs/gguf.md), rather than by the
`gguf` package: its reader makes several numpy arrays per string, 7 s and 490 MB for a vocabulary of 150,000 where this
needs 0.2 s and nothing but the standard library, and it does not say which part of a cut file is missing.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from modelwright.core.errors.starting import BadModelFile

ARCHITECTURES = ("llama", "qwen2", "qwen3")
CONTROL, USER_DEFINED = 3, 4  # token types that are matched as a whole, before any splitting
END_KEYS = ("eos_token_id", "eot_token_id", "eom_token_id")
MAX_KEYS, MAX_TENSORS, MAX_DIMENSIONS = 10_000, 100_000, 4

_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# ggml's tensor types: weights per block, bytes per block. A type that is not here has only its beginning checked.
_BLOCKS = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    30: (1, 2),  # BF16
}
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
# llama.cpp's fallback, one split after the other
_DEFAULT = (
    r"[\p{P}\$\+<=>\^~\|]+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
)


@dataclass(frozen=True, kw_only=True)
class Splitting:
    """How text is cut before the merges, one row per `tokenizer.ggml.pre`."""

    patterns: tuple[str, ...] = ()
    """Split by these, one after the other; none: GPT-2's own pattern."""
    single_digits: bool = False
    compose: bool = False
    """Unicode NFC first."""
    ignore_merges: bool = False
    """A piece that is in the vocabulary is one token, whatever the merges say."""


SPLITTINGS = {
    "default": Splitting(patterns=_DEFAULT),
    "gpt-2": Splitting(),
    "llama-bpe": Splitting(patterns=(_LLAMA3,), ignore_merges=True),
    "llama-v3": Splitting(patterns=(_LLAMA3,), ignore_merges=True),
    "llama3": Splitting(patterns=(_LLAMA3,), ignore_merges=True),
    "qwen2": Splitting(patterns=(_QWEN2,), compose=True),
    "refact": Splitting(single_digits=True),
    "smollm": Splitting(single_digits=True),
    "starcoder": Splitting(single_digits=True),
}


@dataclass(frozen=True, kw_only=True)
class GgufModel:
    """What the file says of its model."""

    path: str
    architecture: str
    name: str
    context: int
    """Tokens of prompt and answer together that it was trained for."""
    layers: int
    kv_heads: int
    head_size: int
    """Of one key or value; with layers and heads it tells the size of the key-value cache."""
    tokenizer_kind: str
    pre: str
    tokens: tuple[str, ...]
    """By id, in byte-level letters."""
    token_types: tuple[int, ...]
    merges: tuple[str, ...]
    bos: int | None
    adds_bos: bool
    """Whether a prompt must begin with bos, when its chat template does not write it."""
    eos: tuple[int, ...]
    """Every id that ends an answer."""
    chat_template: str | None
    size: int
    """Bytes of the file."""

    @property
    def vocabulary(self) -> int:
        """Tokens."""
        return len(self.tokens)

    @property
    def special_tokens(self) -> dict[str, str]:
        """`bos_token` and `eos_token`, the names that chat templates use."""
        named = {"bos_token": self.bos, "eos_token": self.eos[0] if self.eos else None}
        return {name: self.tokens[token] for name, token in named.items() if token is not None}


def read_gguf(path: str | Path) -> GgufModel:
    """Read the header and check that the file holds all that it announces.

    Raises:
        BadModelFile: missing, cut, of another format, or of an architecture that the engine's reader does not take.
    """
    place = str(path)
    try:
        with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _Header(data, place)
            return _model(header.metadata(), place, len(data))
    except OSError as error:
        raise BadModelFile(f"cannot be read: {error.strerror or error}", place=place, hint="check the path") from error
    except ValueError as error:  # mmap of an empty file
        raise _other_format(place, "the file is empty") from error


def build_tokenizer(model: GgufModel) -> Tokenizer:
    """The tokenizer that the model was trained with; ids and text are those of its `tokenizer.json`.

    Encode with `add_special_tokens=False`: it adds none by itself, the chat template writes them.

    Raises:
        BadModelFile: another kind than byte-level BPE, an unknown pre-tokenizer, or merges that do not fit the tokens.
    """
    splitting = _splitting(model)
    vocabulary = {token: index for index, token in enumerate(model.tokens)}
    if len(vocabulary) < len(model.tokens):
        twice = next(token for index, token in enumerate(model.tokens) if vocabulary[token] != index)
        raise BadModelFile(f"its vocabulary holds the token {twice!r} twice", place=model.path, hint=_CONVERT)
    try:
        bpe = models.BPE(vocabulary, _merges(model), ignore_merges=splitting.ignore_merges)
    except Exception as error:  # the library raises plain Exception
        raise BadModelFile(f"its merges do not fit its tokens: {error}", place=model.path, hint=_CONVERT) from error
    tokenizer = Tokenizer(bpe)
    if splitting.compose:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _pre_tokenizer(splitting)
    tokenizer.decoder = decoders.ByteLevel()
    _add_whole_tokens(tokenizer, model)
    return tokenizer


_CONVERT = "convert the model again with a current converter"


class _Header:
    """The parser: a cursor over the mapped file that never reads past its end."""

    def __init__(self, data: mmap.mmap, place: str) -> None:
        self.data, self.place, self.at, self.order = data, place, 0, "<"

    def metadata(self) -> dict[str, Any]:
        """All keys with their values, after checking that the tensors are there too."""
        if self.data[:4] != b"GGUF":
            raise _other_format(self.place, "it does not begin with the letters GGUF")
        self.at = 4
        version = self._number("I", "the version")
        if version not in (2, 3):
            known = "it is big-endian" if version & 0xFFFF == 0 else f"it is version {version}"
            raise BadModelFile(f"{known}; versions 2 and 3 are read, little-endian", place=self.place, hint=_CONVERT)
        tensors = self._count("the number of tensors", MAX_TENSORS)
        keys = self._count("the number of keys", MAX_KEYS)
        found = {self._string("a key"): self._value("a value") for _ in range(keys)}
        alignment = found.get("general.alignment", 32)
        self._check_tensors(tensors, alignment if isinstance(alignment, int) and alignment > 0 else 32)
        return found

    def _check_tensors(self, count: int, alignment: int) -> None:
        ends = [self._tensor_end() for _ in range(count)]
        start = -(-self.at // alignment) * alignment
        for name, end in ends:
            if start + end > len(self.data):
                raise self._cut(f"tensor {name!r}", start + end)

    def _tensor_end(self) -> tuple[str, int]:
        """A tensor's name and where it ends, in bytes from the start of the tensors."""
        name = self._string("a tensor's name")
        dimensions = self._number("I", "a tensor's shape")
        if dimensions > MAX_DIMENSIONS:
            raise BadModelFile(f"tensor {name!r} says {dimensions} dimensions", place=self.place, hint=_AGAIN)
        shape = [self._number("Q", "a tensor's shape") for _ in range(dimensions)]
        weights, size = _BLOCKS.get(self._number("I", "a tensor's type"), (1, 0))
        return name, self._number("Q", "a tensor's place") + math.prod(shape) // weights * size

    def _value(self, what: str) -> Any:
        return self._of_type(self._number("I", what), what)

    def _of_type(self, kind: int, what: str) -> Any:
        if kind == _STRING:
            return self._string(what)
        if kind == _ARRAY:
            return self._array(what)
        if kind not in _SCALARS:
            raise BadModelFile(f"{what} has the unknown type {kind} at byte {self.at}", place=self.place, hint=_AGAIN)
        return self._number(_SCALARS[kind], what)

    def _array(self, what: str) -> tuple[Any, ...]:
        kind = self._number("I", what)
        count = self._count(f"the length of {what}", len(self.data))
        if kind == _STRING:
            return tuple(self._string(what) for _ in range(count))
        if kind not in _SCALARS:  # an array of arrays: in the specification, in no known model
            raise BadModelFile(f"{what} is an array of type {kind}", place=self.place, hint=_AGAIN)
        layout = f"{self.order}{count}{_SCALARS[kind]}"
        self._need(struct.calcsize(layout), what)
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def _string(self, what: str) -> str:
        size = self._number("Q", what)
        self._need(size, what)
        raw = self.data[self.at : self.at + size]
        self.at += size
        # One bad byte in a name or licence is no reason to refuse a model; bad tokens are found by their use.
        return raw.decode("utf-8", errors="replace")

    def _count(self, what: str, most: int) -> int:
        count = self._number("Q", what)
        if count > most:
            raise BadModelFile(f"{what} would be {count}; the file is damaged", place=self.place, hint=_AGAIN)
        return count

    def _number(self, layout: str, what: str) -> Any:
        size = struct.calcsize("<" + layout)
        self._need(size, what)
        (value,) = struct.unpack_from(self.order + layout, self.data, self.at)
        self.at += size
        return value

    def _need(self, size: int, what: str) -> None:
        if self.at + size > len(self.data):
            raise self._cut(what, self.at + size)

    def _cut(self, what: str, needed: int) -> BadModelFile:
        problem = f"the file is cut: it has {len(self.data)} bytes, and {what} would end at byte {needed}"
        return BadModelFile(problem, place=self.place, hint=_AGAIN)


_AGAIN = "download or copy the file again and compare its digest"


def _other_format(place: str, why: str) -> BadModelFile:
    return BadModelFile(f"not a GGUF file: {why}", place=place, hint="give a .gguf file, or another engine kind")


class _Fields:
    """The metadata with its types checked, since a damaged or foreign file may hold anything."""

    def __init__(self, found: dict[str, Any], place: str) -> None:
        self.found, self.place = found, place

    def text(self, key: str, default: str | None = None) -> str:
        return self._get(key, str, default)

    def number(self, key: str, default: int | None = None) -> int:
        return self._get(key, int, default)

    def items(self, key: str, kind: type, default: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        values = self._get(key, tuple, default)
        if any(not isinstance(value, kind) for value in values):
            raise BadModelFile(f"{key} holds something other than {kind.__name__}", place=self.place, hint=_CONVERT)
        return values

    def token(self, key: str, vocabulary: int) -> int | None:
        index = self.found.get(f"tokenizer.ggml.{key}")
        if index is None:
            return None
        if not isinstance(index, int) or not 0 <= index < vocabulary:
            raise BadModelFile(
                f"tokenizer.ggml.{key} is {index!r}, not one of its tokens", place=self.place, hint=_CONVERT
            )
        return index

    def _get(self, key: str, kind: type, default: Any) -> Any:
        value = self.found.get(key, default)
        if value is None:
            raise BadModelFile(f"the key {key} is missing", place=self.place, hint=_CONVERT)
        if not isinstance(value, kind):
            raise BadModelFile(f"{key} is a {type(value).__name__}", place=self.place, hint=_CONVERT)
        return value


def _model(found: dict[str, Any], place: str, size: int) -> GgufModel:
    fields = _Fields(found, place)
    architecture = fields.text("general.architecture")
    if architecture not in ARCHITECTURES:
        problem = (
            f"its architecture is {architecture}; the embedded engine's GGUF reader takes {_listed(ARCHITECTURES)}"
        )
        raise BadModelFile(problem, place=place, hint="serve it by llama-server, ollama or vllm as a provider")
    kind = fields.text("tokenizer.ggml.model")
    if kind != "gpt2":
        problem = f"its tokenizer is of the kind {kind!r}; byte-level BPE (gpt2) is supported"
        raise BadModelFile(problem, place=place, hint="serve it by llama-server, ollama or vllm as a provider")
    tokens = fields.items("tokenizer.ggml.tokens", str)
    context = fields.number(f"{architecture}.context_length")
    ends = [fields.token(key, len(tokens)) for key in END_KEYS]
    if context < 1 or not tokens:
        raise BadModelFile("its context length or vocabulary is empty", place=place, hint=_CONVERT)
    heads = fields.number(f"{architecture}.attention.head_count")
    head_size = fields.number(f"{architecture}.embedding_length") // max(1, heads)
    return GgufModel(
        path=place,
        architecture=architecture,
        name=fields.text("general.name", ""),
        context=context,
        layers=fields.number(f"{architecture}.block_count"),
        kv_heads=fields.number(f"{architecture}.attention.head_count_kv", heads),
        head_size=fields.number(f"{architecture}.attention.key_length", head_size),
        tokenizer_kind=kind,
        pre=fields.text("tokenizer.ggml.pre", "default"),
        tokens=tokens,
        token_types=fields.items("tokenizer.ggml.token_type", int, ()),
        merges=fields.items("tokenizer.ggml.merges", str),
        bos=fields.token("bos_token_id", len(tokens)),
        adds_bos=bool(found.get("tokenizer.ggml.add_bos_token", False)),
        eos=tuple(dict.fromkeys(end for end in ends if end is not None)),
        chat_template=fields.text("tokenizer.chat_template", "") or None,
        size=size,
    )


def _splitting(model: GgufModel) -> Splitting:
    if model.pre in SPLITTINGS:
        return SPLITTINGS[model.pre]
    problem = f"its pre-tokenizer is {model.pre!r}; known are {_listed(sorted(SPLITTINGS))}"
    raise BadModelFile(problem, place=model.path, hint="serve it by llama-server, ollama or vllm as a provider")


def _merges(model: GgufModel) -> list[tuple[str, str]]:
    return [(rule[:cut], rule[cut + 1 :]) for rule in model.merges for cut in (rule.find(" ", 1),)]


def _pre_tokenizer(splitting: Splitting) -> pre_tokenizers.PreTokenizer:
    parts: list[pre_tokenizers.PreTokenizer] = [
        pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in splitting.patterns
    ]
    if splitting.single_digits:
        parts.append(pre_tokenizers.Digits(individual_digits=True))
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not splitting.patterns))
    return pre_tokenizers.Sequence(parts)


def _add_whole_tokens(tokenizer: Tokenizer, model: GgufModel) -> None:
    control = [AddedToken(token, special=True, normalized=False) for token in _of_type(model, CONTROL)]
    defined = [AddedToken(token, special=False, normalized=False) for token in _of_type(model, USER_DEFINED)]
    tokenizer.add_special_tokens(control)
    tokenizer.add_tokens(defined)


def _of_type(model: GgufModel, kind: int) -> list[str]:
    return [token for token, its in zip(model.tokens, model.token_types, strict=False) if its == kind]


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
