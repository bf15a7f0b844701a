"""Fits the embedding model on the corpus: TF-IDF and SVD, written as a tokenizer and an ONNX encoder.

A text's vector is the mean of its tokens' rows in one table (a token's weight by TF-IDF times its place by SVD), made
unit: what TfidfVectorizer and TruncatedSVD compute, in a form that a pipeline serves. It is fitted on each section in
English, in Chinese, and in both at once, so that words of both languages that mean the same come to lie together.

Run from the checkout: .venv/bin/python examples/knowledge-base/embeddings/fit.py
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "backend"))
from knowledge_base.corpus import Passage, passages  # noqa: E402  the backend cuts texts in the same way

SIZE = 64
VOCABULARY = 4000
UNKNOWN = "[UNK]"
STOP = frozenset(
    """
a about after again all also an and any are as at be because been before but by can could did do does each for from get
give had has have he her his how i if in into is it its just may me more most much my no not of off on once one only or
other our out over should so some such tell than that the their them then there these they this those to too under up
us very was we were what when where which while who why will with would you your
的 了 和 是 在 也 会 就 而 但 与 或 把 被 让 要 都 不 有 对 为 从 到 它 这 那 个 里 吗 呢 什么 怎么 怎样 如何 为什么 哪些
哪个 可以 应该 需要 我 你 我们 如果 时 用 给 地 得 着 上 中 下 前 后 么 样 多少 几 一 以 请 能 能否
""".split()  # noqa: SIM905  rows of data
)
"""Words that say nothing of what a text is about."""
_ENDINGS = "(?<=[a-z]{3})(ations|ation|ings|ing|ed|es|e|s|ly)(?![a-z])"
_BETWEEN = r"[^\p{L}\p{N}]+"
_SPELT = "iz(?=(e|es|ed|ing|ation|ations)(?![a-z]))"


def tokenizer(found: list[Passage]) -> Tokenizer:
    """Every English word of the corpus without its ending, Chinese words that occur twice; others fall into pieces."""
    made = Tokenizer(models.BPE(unk_token=UNKNOWN))
    made.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(_BETWEEN), " "),
            normalizers.Replace(Regex(_SPELT), "is"),
            normalizers.Replace(Regex(_ENDINGS), ""),
        ]
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, min_frequency=2, special_tokens=["[PAD]", UNKNOWN], show_progress=False
    )
    made.train_from_iterator([p.whole for p in found for _ in range(2 if p.language == "en" else 1)], trainer)
    return made


def table(found: list[Passage], tokens: Tokenizer) -> NDArray[np.float32]:
    """A row for each token [vocabulary, size].

    The last column is no place by SVD: pieces of English words that the corpus does not have point there, and so away
    from all that it has. A single Chinese character tells less than a word of two.
    """
    silent = {piece for word in STOP for piece in _whole(tokens, word)}
    known = {piece for passage in found for piece in _whole(tokens, passage.whole)}
    both: dict[str, list[str]] = {}
    for passage in found:
        both.setdefault(passage.name, []).append(passage.whole)
    texts = [passage.whole for passage in found] + ["\n".join(pair) for pair in both.values()]
    vocabulary = tokens.get_vocab()

    def telling(token: str) -> bool:
        return token not in silent and token.isalnum() and (token in known or not token.isascii())

    weigh = TfidfVectorizer(
        analyzer=lambda text: [token for token in tokens.encode(text).tokens if telling(token)],
        vocabulary=vocabulary,
        lowercase=False,
    )
    svd = TruncatedSVD(SIZE - 1, random_state=0)
    svd.fit(weigh.fit_transform(texts))
    rows = np.zeros((len(vocabulary), SIZE))
    rows[:, :-1] = svd.components_.T * weigh.idf_[:, None]
    usual = np.median(np.linalg.norm(rows[rows.any(axis=1)], axis=1))
    for token, number in vocabulary.items():
        if not telling(token):
            rows[number] = 0
            rows[number, -1] = usual * 0.7 if token.isalnum() and token not in silent else 0
        elif len(token) == 1 and not token.isascii():
            rows[number] *= 0.5
    rows[vocabulary[UNKNOWN], -1] = usual
    return rows.astype(np.float32)


def encoder(rows: NDArray[np.float32]) -> onnx.ModelProto:
    """`input_ids` [texts, tokens] to `last_hidden_state` [texts, tokens, size]: a vector for each token."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "encoder",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["texts", "tokens", SIZE])],
        [numpy_helper.from_array(rows, "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main() -> None:
    """Write both files."""
    folder = HERE / "models"
    folder.mkdir(exist_ok=True)
    found = passages(HERE.parent / "backend" / "corpus")
    tokens = tokenizer(found)
    tokens.save(str(folder / "tokenizer.json"))
    onnx.save(encoder(table(found, tokens)), folder / "encoder.onnx")


def _whole(tokens: Tokenizer, text: str) -> list[str]:
    """Its words that are one token; those in pieces have none."""
    words = tokens.pre_tokenizer.pre_tokenize_str(tokens.normalizer.normalize_str(text))
    found = (tokens.model.tokenize(word) for word, _ in words)
    return [pieces[0].value for pieces in found if len(pieces) == 1]


if __name__ == "__main__":
    main()
