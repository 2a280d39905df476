"""Names that a wrong one may stand for: labels that contain it as a word come before similar spellings."""

import pytest

from convscope import load
from convscope.errors import misspelled, nearest, settings_hint, similar


@pytest.fixture(scope="module")
def labels():
    return load("efficientnet_lite0").classes


def test_a_label_that_contains_the_word_comes_first(labels):
    assert nearest("owl", labels).startswith("Did you mean great grey owl")
    dogs = similar("dog", labels)
    whole = [label for label in labels if "dog" in label.lower().replace("-", " ").replace(",", " ").split()]
    assert whole and set(dogs[: len(whole)]) == set(whole)
    assert dogs[0].endswith("dog") and "hotdog" not in dogs[: len(whole)]
    assert similar("Grey-Owl", labels)[0] == "great grey owl"


def test_the_last_word_counts_more_and_a_part_of_a_word_is_none():
    names = ["dog sled", "hotdog", "a very big dog", "big dog", "dogma"]
    assert similar("dog", names)[:3] == ["big dog", "a very big dog", "dog sled"]
    assert "hotdog" in similar("dog", names)[3:]
    assert similar("big dog", ["big red dog"]) == ["big red dog"]  # by its spelling


def test_what_is_written_alike_is_alone_and_a_typing_error_still_found():
    assert similar("dog", ["Dog", "big dog"]) == ["Dog"]
    assert similar("conv22", ["conv1", "conv2", "pool"])[0] == "conv2"
    assert similar("", ["a"]) == [] and similar("--", ["a"]) == []


def test_a_name_that_lacks_its_number_is_found_before_similar_ones():
    assert similar("conv", ["pool1", "conv10", "conv2", "convnext"])[:2] == ["conv2", "conv10"]
    assert similar("resnet", ["timm/test_resnet", "torchvision/resnet18"])[0] == "torchvision/resnet18"


@pytest.mark.parametrize(
    ("wrong", "names", "meant"),
    [
        ("seed", ["size", "steps", "style"], []),
        ("lr", ["l1", "out"], []),
        ("guide", ["style_guide"], []),
        ("weight", ["style_weight", "weights"], ["weights"]),
        ("jsn", ["json", "out"], ["json"]),
        ("stlye", ["style", "size"], ["style"]),
        ("Learning-Rate", ["lr"], ["lr"]),
        ("saev-steps", ["save_steps", "steps"], ["save_steps"]),
        ("x" * 10_000, ["size"], []),
        ("", ["size"], []),
    ],
)
def test_a_setting_is_offered_only_for_its_own_misspelling(wrong, names, meant):
    assert misspelled(wrong, names, aliases={"learning_rate": "lr"}) == meant
    hint = settings_hint(wrong, names)
    assert all(name in hint for name in (names if not meant and wrong != "Learning-Rate" else meant))
