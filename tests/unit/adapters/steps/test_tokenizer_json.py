"""A tokenizer.json as a step reads it: by its words alone, whatever it says of padding and cutting, and bad files."""

from pathlib import Path

import pytest

from modelwright.adapters.steps.tokenizer_json import TokenizerJson
from modelwright.core.errors.starting import BadModelFile
from tests.making.text_models import VOCABULARY, Reference, text_of, tokenizer


def loaded(path: Path, *, cut: int = 0) -> TokenizerJson:
    made = TokenizerJson(str(path), place="step tokens", cut=cut)
    made.load()
    return made


@pytest.mark.parametrize("padding", [True, False])
def test_a_text_is_as_long_as_it_is_whatever_the_file_says(tmp_path: Path, *, padding: bool) -> None:
    path = tokenizer(tmp_path / "tokenizer.json", padding=padding)
    texts = ["", text_of(1), text_of(40), "猫 unknown!"]
    made = loaded(path)
    found = made.encode(texts)
    assert [list(one.ids) for one in found] == [Reference(path).ids(text) for text in texts]
    assert made.padding == 0
    assert 0 < made.vocabulary <= VOCABULARY
    assert all(0 <= number < made.vocabulary for one in found for number in one.ids)


def test_a_text_that_is_cut_off_keeps_its_special_tokens(tmp_path: Path) -> None:
    path = tokenizer(tmp_path / "tokenizer.json")
    (long, short) = loaded(path, cut=8).encode([text_of(40), text_of(1)])
    whole = Reference(path).ids(text_of(40))
    assert list(long.ids) == [*whole[:7], whole[-1]]
    assert list(short.ids) == Reference(path).ids(text_of(1))


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"model": {"type": "None"}}', b"\x08\x0a", b"[" * 5000])
def test_a_file_that_is_no_tokenizer_is_named_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    with pytest.raises(BadModelFile, match="cannot be read as a tokenizer") as caught:
        loaded(path)
    assert caught.value.place == "step tokens"
    assert "tokenizer.json" in caught.value.hint
    with pytest.raises(BadModelFile):
        loaded(tmp_path / "none.json")
