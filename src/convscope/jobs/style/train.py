"""Teach a network to paint photographs like paintings.

PHOTOGRAPHS is a folder of pictures; they need no names and no classes. A StyleBank learns one bank of filters
for each painting between an encoder and a decoder that all share, so that styles can be mixed, laid side by
side and added later; --task johnson learns one style. Ctrl-C saves, and the message says how to go on,
exactly where it stopped.

    convscope style train photographs --style wave=great_wave.jpg --style scream=the_scream.jpg
    convscope style train photographs --style great_wave.jpg --task johnson --epochs 40
    convscope style apply me.jpg --model runs/2026-11-22-style-train-stylebank --style wave:0.5
"""

from convscope.jobs.job import Steps
from convscope.jobs.output.workspace import Workspace
from convscope.jobs.style import training
from convscope.learn.style import StyleTrainRecipe

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
    return training.run(recipe, workspace)
