"""Teach a StyleBank one more style.

Encoder, decoder and the banks that are there stay as they are, bit for bit; only the new bank learns.

    convscope style add stylebank photographs --style hat=woman_with_a_hat.jpg
    convscope style apply me.jpg --model runs/2026-11-22-style-add-stylebank --style hat
"""

from typing import TYPE_CHECKING

from convscope.cli import teaching
from convscope.cli.shell import Answer, Shell
from convscope.cli.teaching_recipes import StyleAdd

if TYPE_CHECKING:
    from convscope.see.styling.school import Lesson

schema = StyleAdd


def run(recipe: StyleAdd, shell: Shell) -> Answer:
    """The network with a new bank, which alone learns."""
    return teaching.run(recipe, shell, _lesson)


def _lesson(recipe: StyleAdd) -> "Lesson":
    from convscope import nets
    from convscope.see.styling import school

    return school.addition(
        nets.load(recipe.model), recipe.photographs, school.named(recipe.style), test=recipe.test,
        scales=teaching.scales(recipe), judging=teaching.judging(recipe),
    )  # fmt: skip
