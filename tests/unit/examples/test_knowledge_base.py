"""The knowledge base's rules: passages, which of them answer, what is quoted, where a stream goes on; its vectors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from knowledge_base.corpus import Passage, edition, passages
from knowledge_base.events import place
from knowledge_base.quoting import Source, Turn, asked, chosen, language_of, quoted
from knowledge_base.settings import read

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "knowledge-base"
FOUND = passages(EXAMPLE / "backend" / "corpus")


def source(name: str, nearness: float, language: str = "en") -> Source:
    return Source(language=language, name=name, title="T", heading="H", text="One. Two! Three.", nearness=nearness)


def test_documents_have_the_same_passages_in_both_languages() -> None:
    names = {language: [p.name for p in FOUND if p.language == language] for language in ("en", "zh")}
    assert names["en"] == names["zh"]
    assert all(p.title and p.heading and p.text for p in FOUND)
    assert all(language_of(p.text) == p.language for p in FOUND)


def test_other_texts_or_another_model_are_another_edition(tmp_path: Path) -> None:
    assert edition(FOUND, "sentences") == edition(list(FOUND), "sentences")
    assert len({edition(FOUND, "a"), edition(FOUND, "b"), edition(FOUND[1:], "a")}) == 3
    with pytest.raises(ValueError, match="no documents; put Markdown files"):
        passages(tmp_path)


def test_the_nearest_are_chosen_in_the_language_of_the_question() -> None:
    found = [source("a", 0.9, "zh"), source("a", 0.8), source("b", 0.85), source("c", 0.2), source("d", 0.5, "zh")]
    assert [(s.name, s.language) for s in chosen(found, language="en", near=0.3)] == [
        ("b", "en"), ("a", "en"), ("d", "zh")
    ]  # fmt: skip
    assert chosen(found, language="en", near=0.95) == []


def test_quotes_say_that_they_are() -> None:
    assert quoted([source("a", 0.9)], language="en") == [
        "No language model is configured, so these are the passages that fit best.",
        "\n\n**T · H** [1]\n\n> One. Two! Three.",
    ]
    assert quoted([], language="zh")[0].startswith("文档中没有")
    assert "does not answer" in quoted([source("a", 0.9)], language="en", away=True)[0]


def test_a_long_passage_is_quoted_up_to_the_end_of_a_sentence() -> None:
    long = replace(source("a", 0.9), text="It is so. " * 100)
    (_, said) = quoted([long], language="en")
    assert said.endswith("It is so. …")
    assert 500 < len(said) < 700
    assert quoted([replace(long, text="x" * 900)], language="en")[1].endswith("x …")


def test_a_model_is_asked_with_passages_and_what_was_said_before() -> None:
    messages = asked("Why?", [source("a", 0.9)], [Turn(question=str(n), answer="yes") for n in range(9)])
    assert [m["role"] for m in messages] == ["system", *["user", "assistant"] * 6, "user"]
    assert "<passage number=1>\nT: H" in messages[0]["content"]
    assert messages[1]["content"] == "3"


@given(st.text(max_size=30))
def test_any_text_is_a_place_in_a_stream(said: str) -> None:
    attempt, at = place(said)
    assert min(attempt, at) >= 0
    assert place(f"{attempt}.{at}") == (attempt, at)


def test_settings_come_from_variables_or_files(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://host/kb\n")
    found = read({"DATABASE_URL_FILE": str(tmp_path / "url"), "GATEWAY_URL": "http://gateway:8000/v1/"})
    assert (found.database, found.gateway) == ("postgresql://host/kb", "http://gateway:8000")
    with pytest.raises(ValueError, match="DATABASE_URL is not set: set it, or DATABASE_URL_FILE"):
        read({})
    with pytest.raises(ValueError, match=r"DATABASE_URL_FILE: .*: No such file"):
        read({"DATABASE_URL_FILE": str(tmp_path / "gone")})


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How do I stream answers through nginx?", "02-streaming#2"),
        ("How should secrets get into a container?", "01-gateway#2"),
        ("Is quantization worth it?", "09-performance#1"),
        ("数据库迁移什么时候运行？", "03-deploy#3"),
        ("回滚会丢失对话吗？", "05-rollback#2"),
        ("What is the capital of France?", ""),
    ],
)
def test_the_fitted_model_finds_the_passage(question: str, name: str, vectors: NDArray[np.float32]) -> None:
    near = vectors @ embed([question])[0]
    best = FOUND[int(near.argmax())].name if near.max() >= 0.3 else ""
    assert best == name


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return embed([passage.whole for passage in FOUND])


def embed(texts: list[str]) -> NDArray[np.float32]:
    """As the pipeline computes them."""
    folder = EXAMPLE / "embeddings" / "models"
    tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(str(folder / "encoder.onnx"))
    found = [session.run(None, {"input_ids": np.array([tokens.encode(text).ids])})[0] for text in texts]
    rows = np.stack([np.asarray(states)[0].mean(0) for states in found])
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def test_a_passage_is_made_of_its_title_its_heading_and_its_text() -> None:
    assert Passage(language="en", name="a#1", title="T", heading="H", text="Text.").whole == "T. H. Text."
