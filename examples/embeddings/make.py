"""Writes toys into models/: a tokenizer, an encoder that knows words and not their sense, and who tells questions.

Run from the checkout: .venv/bin/python examples/embeddings/make.py
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

SIZE = 32
_TEXT = """
a about account again all also an and any are as at back be because been before book books bought broken but buy by
can card change cost could day days deliver delivered delivery did different do does email for from get give go good
has have help hi how i if in into is it item just know last late like long look lost make many may me mine money
month more most much my need never new next no not now of off on once one open or order other our out over parcel
pay payment price problem refund return returned right same say see send sent shop should size so some soon still
stop store take than that the their them then there they thing this time to today track two up us use very want was
way we week what when where which while who why will with within work would wrong year yesterday you your
"""
WORDS = _TEXT.split()
ASKING = {"can", "could", "did", "do", "does", "how", "is", "what", "when", "where", "which", "who", "why", "would"}
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
FOLDER = Path(__file__).parent / "models"


def tokenizer() -> Tokenizer:
    """Of these words and pieces of them."""
    made = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator([" ".join(WORDS)] * 5, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    )
    return made


def encoder(vocabulary: int) -> onnx.ModelProto:
    """`input_ids` [texts, tokens] to `last_hidden_state` [texts, tokens, size]: a vector for each token."""
    table = np.random.default_rng(0).normal(size=(vocabulary, SIZE)).astype(np.float32)
    table[: len(SPECIAL)] *= 0.05
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "encoder",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["texts", "tokens", SIZE])],
        [numpy_helper.from_array(table, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def questions(vocabulary: dict[str, int]) -> onnx.ModelProto:
    """`input_ids` to `logits` [texts, 2]: statement or question, by the words in it alone."""
    table = np.zeros((len(vocabulary), 2), np.float32)
    table[vocabulary["[CLS]"]] = [1, 0]
    for word, number in vocabulary.items():
        if word in ASKING:
            table[number] = [0, 3]
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input_ids"], ["scores"]),
            helper.make_node("ReduceSum", ["scores", "tokens"], ["logits"], keepdims=0),
        ],
        "questions",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", 2])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "tokens")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main() -> None:
    """Write all three."""
    FOLDER.mkdir(exist_ok=True)
    made = tokenizer()
    made.save(str(FOLDER / "tokenizer.json"))
    onnx.save(encoder(made.get_vocab_size()), FOLDER / "encoder.onnx")
    onnx.save(questions(made.get_vocab()), FOLDER / "questions.onnx")


if __name__ == "__main__":
    main()
