"""Teach a StyleBank one more style.

Encoder, decoder and the banks that are there stay as they are, bit for bit; only the new bank learns.

    convscope style add stylebank photographs --style hat=woman_with_a_hat.jpg
    convscope style apply me.jpg --model runs/2026-11-22-style-add-stylebank --style hat
"""

from convscope.jobs.job import Steps
from convscope.jobs.output.workspace import Workspace
from convscope.jobs.style import training
from convscope.learn.style import StyleAddRecipe

schema = StyleAddRecipe


def run(recipe: StyleAddRecipe, workspace: Workspace) -> Steps:
    """Train one new filter bank of a StyleBank; encoder, decoder and the other banks stay frozen.

    See `training.run` for the files that are written and the errors.

    Args:
        recipe: StyleBank, photographs, painting and settings.
        workspace: where the result goes, and what is logged.

    Returns:
        The steps of `training.run`.
    """
    return training.run(recipe, workspace)
