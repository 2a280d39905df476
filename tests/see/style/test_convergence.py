"""The remark on style transfers that did not reach the style."""

import pytest

from convscope.see.style import StyleRecipe, remark_on_convergence
from convscope.see.style.transfer import StyleLosses


def losses(style: float, before: float, content: float) -> StyleLosses:
    return StyleLosses(
        {"relu1": style, "relu2": style}, {"relu1": before, "relu2": before}, {"relu3": content}, 0.0
    )


@pytest.mark.parametrize(
    ("style", "before", "content", "settings", "tried"),
    [
        (3.7, 4.4, 0.02, {"scaling": "gatys", "optimizer": "adam"}, "--content-weight 0.001"),
        (3.7, 4.4, 0.02, {}, "--content-weight 0.05"),
        (0.9, 0.4, 0.6, {"optimizer": "adam"}, "--optimizer lbfgs"),
        (1.2, 4.4, 0.6, {"lr": 2.0}, "--lr 0.5"),
        (1.2, 4.4, 0.6, {"steps": [3, 5]}, "--steps 10"),
    ],
)
def test_what_is_missing_is_said_with_a_setting(style, before, content, settings, tried):
    recipe = StyleRecipe.parse({"content": "a.png", "style": ["b.png"], **settings})
    remark = remark_on_convergence(losses(style, before, content), recipe)
    assert remark
    assert f"{style:.0%} of it is missing, {before:.0%} in the photograph" in remark["en"]
    assert all(tried in text for text in remark.values())


def test_a_style_that_came_needs_no_remark():
    recipe = StyleRecipe.parse({"content": "a.png", "style": ["b.png"]})
    assert remark_on_convergence(losses(0.4, 146.0, 0.7), recipe) is None
    assert remark_on_convergence(losses(1.0, 1.0, 0.7), recipe) is None
