"""Addresses of parameters, in texts and in recipes."""

import subprocess
import sys

import pytest

from convscope.errors import PlaceError, UsageError
from convscope.learn import ClassificationRecipe
from convscope.learn.trainer.freezing.addresses import Change, ParameterAddress


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("conv2", ("conv2", None, None)),
        ("layer3.0.conv2:17", ("layer3.0.conv2", 17, None)),
        ("conv2:7,3", ("conv2", 7, 3)),
        ("fc.bias", ("fc.bias", None, None)),
        ("blocks.*", ("blocks.*", None, None)),
        ("*.bn?:0", ("*.bn?", 0, None)),
    ],
)
def test_what_an_address_says(text, parts):
    found = ParameterAddress.parse(text)
    assert (found.layer, found.unit, found.source) == parts
    assert str(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "conv2@5,5",
        "relu#2",
        "conv2 conv3",
        "conv2:1.5",
        f"conv2:{'9' * 30}",
        "",
        " ",
        ":3",
        "conv2:",
        "conv2:-1",
        "conv2:x",
        "conv2:1,",
        "conv2:,1",
        "conv2:1,2,3",
    ],
)
def test_what_is_no_address(text):
    with pytest.raises(PlaceError):
        ParameterAddress.parse(text)
    with pytest.raises(PlaceError):
        Change.parse(text)


def test_when():
    assert Change.parse("blocks.5 at epoch 3") == Change("blocks.5", 3)
    assert Change.parse("  conv2:7,3   at  epoch  12 ") == Change("conv2:7,3", 12)
    assert Change.parse("blocks.5") == Change("blocks.5", 1)
    for wrong in ("blocks.5 at epoch 0", "blocks.5 at epoch", "blocks.5 at 3", "blocks.5@3", "at epoch 3"):
        with pytest.raises(PlaceError, match="at epoch 3"):
            Change.parse(wrong)


def test_a_recipe_takes_one_or_several():
    recipe = ClassificationRecipe.parse({"freeze": "conv1", "thaw": ["conv1:2 at epoch 2"], "epochs": 2})
    assert recipe.freeze == ("conv1",)
    assert recipe.thaw == ("conv1:2 at epoch 2",)


def test_a_recipe_refuses_what_is_no_address_or_too_late():
    with pytest.raises(UsageError, match="at epoch 3") as caught:
        ClassificationRecipe.parse({"freeze": ["conv1@3"]})
    assert "freeze" in str(caught.value)
    with pytest.raises(UsageError, match="within the 3 epochs"):
        ClassificationRecipe.parse({"freeze": ["conv1"], "thaw": ["conv1 at epoch 4"]})


def test_the_schema_needs_no_torch():
    code = "import sys, convscope.learn.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
