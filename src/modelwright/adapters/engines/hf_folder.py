"""Reads what a folder in Hugging Face's layout says of its language model; it reads no weights and runs nothing.

Files: `config.json` (shape), `generation_config.json` (ends), `tokenizer.json`, `tokenizer_config.json` (special
tokens) and the chat template, which is in `chat_template.jinja`, in `chat_template.json` or in `tokenizer_config.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelwright.core.errors.starting import BadModelFile
from modelwright.core.wire.unreadable import UNREADABLE

MODEL, WEIGHTS, TOKENIZER = "openvino_model.xml", "openvino_model.bin", "tokenizer.json"
ENGINES_TOKENIZER = "openvino_tokenizer.xml"
"""What the engine needs to bind answers to a grammar; `optimum-cli export openvino` writes it."""
EXPORT = "export the model again: optimum-cli export openvino --model MODEL --task text-generation-with-past FOLDER"


@dataclass(frozen=True, kw_only=True)
class HfFolder:
    """What the folder says of its model."""

    path: str
    architecture: str
    context: int
    """Tokens of prompt and answer together that it was trained for."""
    layers: int
    kv_heads: int
    head_size: int
    vocabulary: int
    bos: str | None
    adds_bos: bool
    eos: tuple[int, ...]
    """Every id that ends an answer."""
    special_tokens: dict[str, str]
    """`bos_token` and the like, the names that chat templates use."""
    chat_template: str | None
    constrains: bool
    """Whether the engine can bind answers to a grammar."""


class _Config(msgspec.Struct, frozen=True):
    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int
    max_position_embeddings: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    eos_token_id: int | list[int] | None = None


class _Generation(msgspec.Struct, frozen=True):
    eos_token_id: int | list[int] | None = None


class _AddedToken(msgspec.Struct, frozen=True):
    content: str


class _Template(msgspec.Struct, frozen=True):
    name: str
    template: str


class _TokenizerConfig(msgspec.Struct, frozen=True):
    bos_token: str | _AddedToken | None = None
    eos_token: str | _AddedToken | None = None
    unk_token: str | _AddedToken | None = None
    pad_token: str | _AddedToken | None = None
    add_bos_token: bool | None = None
    chat_template: str | list[_Template] | None = None


class _Vocabulary(msgspec.Struct, frozen=True):
    vocab: dict[str, int] | list[list[Any]] = {}


class _Tokenizer(msgspec.Struct, frozen=True):
    model: _Vocabulary


class _ChatTemplate(msgspec.Struct, frozen=True):
    chat_template: str


def read_tokens(path: str) -> tuple[str, ...]:
    """The tokens that tokenizer.json names, as far as it says them; none when it cannot be read."""
    try:
        found = msgspec.json.decode(Path(path, TOKENIZER).read_bytes(), type=_Tokenizer).model.vocab
    except (OSError, *UNREADABLE):
        return ()
    return tuple(found) if isinstance(found, dict) else tuple(str(row[0]) for row in found if row)


def read_folder(path: str) -> HfFolder:
    """Read the small files; raises BadModelFile when one is missing or does not say what it must."""
    folder = Path(path)
    for name in (MODEL, WEIGHTS, TOKENIZER):
        if not (folder / name).is_file():
            raise BadModelFile(f"{name} is missing", place=path, hint=EXPORT)
    config = _read(folder / "config.json", _Config)
    generation = _read(folder / "generation_config.json", _Generation, default=_Generation())
    tokenizer = _read(folder / "tokenizer_config.json", _TokenizerConfig, default=_TokenizerConfig())
    if min(config.max_position_embeddings, config.vocab_size, config.num_attention_heads, config.hidden_size) < 1:
        raise BadModelFile("config.json says a size below 1", place=path, hint=EXPORT)
    ends = generation.eos_token_id if generation.eos_token_id is not None else config.eos_token_id
    if ends is None or ends == []:
        raise BadModelFile("neither generation_config.json nor config.json names eos_token_id", place=path, hint=EXPORT)
    named = {name: _text(getattr(tokenizer, name)) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
    return HfFolder(
        path=path,
        architecture=config.model_type,
        context=config.max_position_embeddings,
        layers=config.num_hidden_layers,
        kv_heads=config.num_key_value_heads or config.num_attention_heads,
        head_size=config.head_dim or config.hidden_size // config.num_attention_heads,
        vocabulary=config.vocab_size,
        bos=named["bos_token"],
        adds_bos=bool(tokenizer.add_bos_token),
        eos=tuple(ends) if isinstance(ends, list) else (ends,),
        special_tokens={name: text for name, text in named.items() if text is not None},
        chat_template=_template(folder, tokenizer),
        constrains=(folder / ENGINES_TOKENIZER).is_file(),
    )


def _template(folder: Path, tokenizer: _TokenizerConfig) -> str | None:
    """The newest place first, as transformers looks for it."""
    plain = folder / "chat_template.jinja"
    if plain.is_file():
        return plain.read_text("utf-8", errors="replace")
    wrapped = _read(folder / "chat_template.json", _ChatTemplate, default=_ChatTemplate(""))
    if wrapped.chat_template:
        return wrapped.chat_template
    if isinstance(tokenizer.chat_template, list):
        return next((one.template for one in tokenizer.chat_template if one.name == "default"), None)
    return tokenizer.chat_template


def _read(path: Path, kind: Any, *, default: Any = None) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError as error:
        if default is not None:
            return default
        raise BadModelFile(f"{path.name} is missing", place=str(path.parent), hint=EXPORT) from error
    except OSError as error:
        raise BadModelFile(f"cannot be read: {error.strerror}", place=str(path), hint="check the path") from error
    except UNREADABLE as error:
        raise BadModelFile(f"{path.name} cannot be read: {error}", place=str(path.parent), hint=EXPORT) from error


def _text(token: str | _AddedToken | None) -> str | None:
    return token.content if isinstance(token, _AddedToken) else token
