"""Whether a style transfer has reached the style, and which setting to change where it has not."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from convscope.see.style.recipe import StyleRecipe

if TYPE_CHECKING:
    from convscope.see.style.transfer import StyleLosses

FAR = 1.0
"""Mean style loss from which on a style is not reached: that of an image without any variation (`scaling`
`relative`) or without any activation (the others)."""
KEPT = 0.1
"""Content loss below which content weighs so much that it leaves nothing to the style."""
PAPER = 0.001
"""Content beside style in Gatys et al. 2016, section 3, whose sums `scaling` `gatys` has: 1e-3 to 1e-4."""


def remark_on_convergence(losses: "StyleLosses", recipe: StyleRecipe) -> dict[str, str] | None:
    """Return a remark where a style transfer has not reached the style, with the setting to change.

    Args:
        losses: of the result and of the content image.
        recipe: the settings.

    Returns:
        The remark in English and Chinese, by `en` and `zh`; None where the mean style loss is at most `FAR`
        and no more than that of the content image.
    """
    missing, before = _mean(losses.style), _mean(losses.style_of_content)
    if not losses.style or (missing <= FAR and missing <= before):
        return None
    setting = _setting(losses, recipe)
    return {
        "en": f"The style was not reached: {missing:.0%} of it is missing, {before:.0%} in the photograph. "
        f"Try {setting}.",
        "zh": f"没有达到该风格：仍缺少 {missing:.0%}，照片本身缺少 {before:.0%}。可以试试 {setting}。",
    }


def _setting(losses: "StyleLosses", recipe: StyleRecipe) -> str:
    """Return the flag that most likely helps."""
    if losses.values and _mean(losses.values) < KEPT and recipe.content_weight > PAPER:
        paper = recipe.scaling == "gatys"
        return f"--content-weight {PAPER if paper else recipe.content_weight / 10:g}"
    if recipe.optimizer == "adam":
        return "--optimizer lbfgs"
    if recipe.lr is not None:
        return f"--lr {recipe.lr / 4:g}"
    return f"--steps {2 * max(recipe.steps):d}"


def _mean(losses: Mapping[str, float]) -> float:
    return sum(losses.values()) / max(len(losses), 1)
