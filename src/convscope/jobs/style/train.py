"""Teach a network to paint photographs like paintings.

PHOTOGRAPHS is a folder of pictures; they need no names and no classes. A StyleBank learns one bank of filters
for each painting between an encoder and a decoder that all share, so that styles can be mixed, laid side by
side and added later; --kind johnson learns one style. Ctrl-C saves, and the message says how to go on,
exactly where it stopped.

    convscope style train photographs --style wave=great_wave.jpg --style scream=the_scream.jpg
    convscope style train photographs --style great_wave.jpg --kind johnson --epochs 40
    convscope style apply me.jpg --model runs/2026-11-22-style-train-stylebank --style wave:0.5
"""

from typing import TYPE_CHECKING

from convscope.jobs.job import Steps
from convscope.jobs.style import training
from convscope.jobs.style.training_recipes import StyleTrainRecipe
from convscope.jobs.workspace import Workspace

if TYPE_CHECKING:
    from convscope.learn.style import StyleTrainingSetup

schema = StyleTrainRecipe


def run(recipe: StyleTrainRecipe, workspace: Workspace) -> Steps:
    """Train a fresh style network (StyleBank, Johnson et al. or AdaIN) with a perceptual loss.

    See `training.run` for the files that are written and the errors.

    Args:
        recipe: photographs, paintings, kind of network and settings.
        workspace: where the result goes, and what is logged.

    Returns:
        The steps of `training.run`.
    """
    return training.run(recipe, workspace, _lesson)


def _lesson(recipe: StyleTrainRecipe) -> "StyleTrainingSetup":
    from convscope.learn.style import named, setup_style_training

    return setup_style_training(
        recipe.kind,
        recipe.photographs,
        named(recipe.style),
        test=recipe.test,
        scales=training.scales(recipe),
        judging=training.judging(recipe),
        seed=recipe.seed,
        width=recipe.width,
    )
