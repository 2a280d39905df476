"""Tokens of texts: words against the published cleaning, characters and bytes of Chinese and English."""

import re

import pytest
from benchmarks.data import DATA

from convscope.graph.spec import TextTransform
from convscope.worlds.text import SENTENCE_SETS, tokenize
from convscope.worlds.text.published import open_sentence_set
from convscope.worlds.text.tokens import byte_name, byte_value

needs_text = pytest.mark.skipif(not (DATA / "text").is_dir(), reason="no sentence sets (CONVSCOPE_TEST_DATA)")
CHINESE = "我喜欢北京。"


def published_cleaning(text: str, trec: bool) -> str:
    """Do what `clean_str` of Kim's process_data.py does, step by step, without its backslashes."""
    text = re.sub(r"[^A-Za-z0-9(),!?'`]", " ", text)
    for ending in ("'s", "'ve", "n't", "'re", "'d", "'ll"):
        text = re.sub(ending, " " + ending, text)
    for mark in (",", "!", r"\(", r"\)", r"\?"):
        text = re.sub(mark, f" {mark[-1]} ", text)
    text = re.sub(r"\s{2,}", " ", text).strip()
    return text if trec else text.lower()


def published_cleaning_of_sst(text: str) -> str:
    """Do what `clean_str_sst` of Kim's process_data.py does."""
    text = re.sub(r"[^A-Za-z0-9(),!?\'\`]", " ", text)
    return re.sub(r"\s{2,}", " ", text).strip().lower()


def words(text: str, cleaning: str = "kim") -> list[str]:
    return [token.text for token in tokenize(text, TextTransform("words", cleaning))]


@pytest.mark.parametrize(
    "text",
    [
        "It's the film's worst!",
        "don't, won't've (I'd) they'll?",
        "'s",
        "n't't",
        "a-b_c",
        "x" * 50 + "'re'd",
        "Ünïcode 1/2",
    ],
)
def test_words_are_those_of_the_published_cleaning(text):
    assert words(text) == published_cleaning(text, False).split()
    assert words(text, "trec") == published_cleaning(text, True).split()
    assert words(text, "sst") == published_cleaning_of_sst(text).split()


@needs_text
@pytest.mark.parametrize("name", ["mr", "trec", "subj", "cr"])
def test_words_of_published_sentences_are_those_of_the_published_cleaning(name):
    data = open_sentence_set(name, DATA / "text")
    for text in data.texts[:: 1 + len(data) // 500]:
        cleaning = SENTENCE_SETS[name].cleaning
        assert words(text, cleaning) == published_cleaning(text, cleaning == "trec").split()


@pytest.mark.parametrize("tokens", ["words", "characters", "bytes"])
@pytest.mark.parametrize("text", ["a fine film , isn't it ?", CHINESE, "naïve cafe\u0301 👩‍🚀 🇨🇳 中文"])
def test_every_token_says_which_characters_it_stands_for(tokens, text):
    cleaning = "none" if tokens == "words" else "kim"
    found = tokenize(text, TextTransform(tokens, cleaning))
    assert found
    assert all(0 <= token.start < token.end <= len(text) for token in found)
    if tokens == "words":
        assert all(text[t.start : t.end].lower() == t.text for t in found)
    if tokens == "bytes":
        held = b"".join(bytes([byte_value(token.text)]) for token in found)
        import unicodedata

        assert held.decode() == unicodedata.normalize("NFC", text)


def test_characters_are_never_broken():
    found = [token.text for token in tokenize("e\u0301🇨🇳👩‍🚀👍🏽中", TextTransform("characters"))]
    assert found == ["é", "🇨🇳", "👩‍🚀", "👍🏽", "中"]
    spans = {(t.start, t.end) for t in tokenize("中文", TextTransform("bytes"))}
    assert spans == {(0, 1), (1, 2)}


def test_chinese_has_no_words_after_kims_cleaning_and_some_without():
    assert words(CHINESE) == []
    assert words(CHINESE, "none") == ["我喜欢北京", "。"]


def test_every_byte_has_a_name_of_its_own():
    names = [byte_name(value) for value in range(256)]
    assert len(set(names)) == 256
    assert [byte_value(name) for name in names] == list(range(256))
    for wrong in ("中", "0x41", "", "abc"):
        with pytest.raises(ValueError, match="name of a byte"):
            byte_value(wrong)
