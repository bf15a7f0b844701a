"""Reads what a GGUF file says of its model, and rebuilds its tokenizer; it reads no weights and runs nothing.

Its header is parsed by gguf_header.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from modelwright.adapters.engines.gguf_header import CONVERT, read_header
from modelwright.core.errors.starting import BadModelFile

ARCHITECTURES = ("llama", "qwen2", "qwen3")
CONTROL, USER_DEFINED = 3, 4  # token types that are matched as a whole, before any splitting
END_KEYS = ("eos_token_id", "eot_token_id", "eom_token_id")
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
    found, size = read_header(path)
    return _model(found, str(path), size)


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
        raise BadModelFile(f"its vocabulary holds the token {twice!r} twice", place=model.path, hint=CONVERT)
    try:
        bpe = models.BPE(vocabulary, _merges(model), ignore_merges=splitting.ignore_merges)
    except Exception as error:  # the library raises plain Exception
        raise BadModelFile(f"its merges do not fit its tokens: {error}", place=model.path, hint=CONVERT) from error
    tokenizer = Tokenizer(bpe)
    if splitting.compose:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _pre_tokenizer(splitting)
    tokenizer.decoder = decoders.ByteLevel()
    _add_whole_tokens(tokenizer, model)
    return tokenizer


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
            raise BadModelFile(f"{key} holds something other than {kind.__name__}", place=self.place, hint=CONVERT)
        return values

    def token(self, key: str, vocabulary: int) -> int | None:
        index = self.found.get(f"tokenizer.ggml.{key}")
        if index is None:
            return None
        if not isinstance(index, int) or not 0 <= index < vocabulary:
            raise BadModelFile(
                f"tokenizer.ggml.{key} is {index!r}, not one of its tokens", place=self.place, hint=CONVERT
            )
        return index

    def _get(self, key: str, kind: type, default: Any) -> Any:
        value = self.found.get(key, default)
        if value is None:
            raise BadModelFile(f"the key {key} is missing", place=self.place, hint=CONVERT)
        if not isinstance(value, kind):
            raise BadModelFile(f"{key} is a {type(value).__name__}", place=self.place, hint=CONVERT)
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
        raise BadModelFile("its context length or vocabulary is empty", place=place, hint=CONVERT)
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
