"""Clipping of gradients: by their common length, or unit by unit by that of the weights."""

from collections.abc import Sequence

from torch import nn

from convscope.learn.recipe import TrainRecipe

HEAD = 2
"""Parameters of a network's last layer, weight and bias, whose gradients adaptive clipping leaves alone."""


def clips(recipe: TrainRecipe) -> bool:
    """Return whether a recipe shortens gradients.

    Args:
        recipe: with `clip` and `agc`.

    Returns:
        Whether it does.
    """
    return recipe.clip is not None or recipe.agc is not None


def clip_gradients(parameters: Sequence[nn.Parameter], recipe: TrainRecipe, module: nn.Module) -> None:
    """Shorten gradients that are too long, in place.

    Args:
        parameters: those that an optimizer updates.
        recipe: `agc`, the longest gradient of each unit's weights as a share of their length, first; then
            `clip`, the longest gradient of all together.
        module: the network; the last layer is taken from it.

    Source: Brock et al. 2021, arXiv:2102.06171, for adaptive clipping, as timm has it.
    """
    if recipe.agc is not None:
        from timm.utils.agc import adaptive_clip_grad

        head = {id(parameter) for parameter in list(module.parameters())[-HEAD:]}
        adaptive_clip_grad([each for each in parameters if id(each) not in head], recipe.agc)
    if recipe.clip is not None:
        nn.utils.clip_grad_norm_(parameters, recipe.clip)
