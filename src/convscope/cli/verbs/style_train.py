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

from convscope.cli import teaching
from convscope.cli.shell import Answer, Shell
from convscope.cli.teaching_recipes import StyleTrain

if TYPE_CHECKING:
    from convscope.see.styling.school import Lesson

schema = StyleTrain


def run(recipe: StyleTrain, shell: Shell) -> Answer:
    """A fresh network, judged by a trained one."""
    return teaching.run(recipe, shell, _lesson)


def _lesson(recipe: StyleTrain) -> "Lesson":
    from convscope.see.styling import school

    return school.lesson(
        recipe.kind, recipe.photographs, school.named(recipe.style), test=recipe.test,
        scales=teaching.scales(recipe), judging=teaching.judging(recipe), seed=recipe.seed,
        width=recipe.width,
    )  # fmt: skip
