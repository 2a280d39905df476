import re
import string

import pytest

from convscope.errors import UsageError
from convscope.show.report.i18n import LANGUAGES, bilingual, marked, plain, texts


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(texts()))
def test_every_text_exists_in_both_languages_with_the_same_values(key):
    text = texts()[key]
    assert set(text) == set(LANGUAGES)
    assert all(words.strip() for words in text.values())
    assert _fields(text["en"]) == _fields(text["zh"])
    assert text["en"].strip().count("\n\n") == text["zh"].strip().count("\n\n")


def test_the_chinese_is_chinese():
    neutral = {
        key
        for key, text in texts().items()
        if not re.search(r"[A-Za-z]{3}", re.sub(r"\{\w+\}", "", text["en"]))
    }
    missing = [k for k in texts() if k not in neutral and not re.search(r"[\u4e00-\u9fff]", texts()[k]["zh"])]
    assert missing == []


def test_unknown_keys_and_missing_values_are_usage_errors():
    with pytest.raises(UsageError, match=r"tour\.title"):
        plain("tour.titel")
    with pytest.raises(UsageError, match="version"):
        plain("tour.made")


def test_marks_become_tags_and_the_rest_is_escaped():
    assert marked("**a** `b<c>` <i>") == "<strong>a</strong> <code>b&lt;c&gt;</code> &lt;i&gt;"


def test_values_cannot_smuggle_tags():
    made = bilingual("training.hardest.said", answer="<img>", sure=1, truth="2", truth_sure=3)
    assert "<img>" not in made
    assert made.count("&lt;img&gt;") == 2
