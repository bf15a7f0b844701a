"""A tokenizer and a small encoder made on the spot, and the same vectors by numpy alone, to compare with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from tests.making.onnx_models import FLOAT, INT64, save_model

SIZE = 16
VOCABULARY = 300
_SENTENCE = "the cat sat on a mat while rain fell and dogs ran home over green hills under one grey sky"
WORDS = _SENTENCE.split()
_FAR = np.float32(-1e4)


def tokenizer(path: Path, *, padding: bool = False) -> Path:
    """A WordPiece tokenizer with [CLS] and [SEP], written as tokenizer.json."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False)
    made.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    if padding:
        made.enable_padding(length=64)
        made.enable_truncation(8)
    made.save(str(path))
    return path


def weights() -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(7)
    return {
        "table": random.normal(size=(VOCABULARY, SIZE)).astype(np.float32),
        "query": random.normal(size=(SIZE, SIZE)).astype(np.float32) / SIZE**0.5,
        "key": random.normal(size=(SIZE, SIZE)).astype(np.float32) / SIZE**0.5,
    }


def encoder(path: Path, *, size: int | str = SIZE) -> Path:
    """One layer of masked self-attention: `input_ids` and `attention_mask` to `last_hidden_state` [n, t, size]."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"]),
        helper.make_node("MatMul", ["x", "query"], ["q"]),
        helper.make_node("MatMul", ["x", "key"], ["k"]),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=FLOAT),
        helper.make_node("Sub", ["one", "mask"], ["gone"]),
        helper.make_node("Mul", ["gone", "far"], ["away"]),
        helper.make_node("Unsqueeze", ["away", "middle"], ["bias"]),
        helper.make_node("Add", ["scores", "bias"], ["biased"]),
        helper.make_node("Softmax", ["biased"], ["attention"], axis=-1),
        helper.make_node("MatMul", ["attention", "x"], ["mixed"]),
        helper.make_node("Add", ["x", "mixed"], ["last_hidden_state"]),
    ]
    constants = {**weights(), "one": np.float32(1), "far": _FAR, "middle": np.array([1], np.int64)}
    return save_model(
        path,
        nodes,
        inputs=[("input_ids", INT64, ["n", "t"]), ("attention_mask", INT64, ["n", "t"])],
        outputs=[("last_hidden_state", FLOAT, ["n", "t", size])],
        constants={name: np.asarray(value) for name, value in constants.items()},
    )


def classifier(path: Path, *, classes: int = 3) -> Path:
    """`input_ids` to `logits` [n, classes]: the sum of a table's rows, the filling (id 0) of zeros."""
    table = np.random.default_rng(3).normal(size=(VOCABULARY, classes)).astype(np.float32)
    table[0] = 0
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["x"]),
        helper.make_node("ReduceSum", ["x", "axis"], ["logits"], keepdims=0),
    ]
    return save_model(
        path,
        nodes,
        inputs=[("input_ids", INT64, ["n", "t"])],
        outputs=[("logits", FLOAT, ["n", classes])],
        constants={"table": table, "axis": np.array([1], np.int64)},
    )


class Reference:
    """What the pipeline of tokenizer, encoder, mean and unit length should give, text by text, without any filling."""

    def __init__(self, tokenizer_json: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer_json))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._weights = weights()

    def ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text).ids

    def hidden(self, ids: Sequence[int]) -> NDArray[np.float32]:
        x = self._weights["table"][list(ids)]
        scores = (x @ self._weights["query"]) @ (x @ self._weights["key"]).T
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return x + powers / powers.sum(axis=-1, keepdims=True) @ x

    def vector(self, text: str | Sequence[int]) -> NDArray[np.float32]:
        mean = self.hidden(self.ids(text) if isinstance(text, str) else text).mean(axis=0)
        return mean / np.linalg.norm(mean)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.vector(text) for text in texts])


def text_of(words: int, *, start: int = 0) -> str:
    return " ".join(WORDS[(start + index) % len(WORDS)] for index in range(words))
