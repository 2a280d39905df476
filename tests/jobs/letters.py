"""Count how often each letter occurs in a word, one letter after another.

convscope letters hello
"""

from typing import ClassVar

from PIL import Image

from convscope.jobs.job import Document, Steps, finished, save_results
from convscope.jobs.output.workspace import Workspace
from convscope.recipe import Recipe, stamp
from convscope.system.progress import Progress


class LettersRecipe(Recipe):
    """Which word."""

    verb: ClassVar[str] = "letters"
    positional: ClassVar[tuple[str, ...]] = ("word",)

    word: str
    shade: int = 0


schema = LettersRecipe


def run(recipe: LettersRecipe, workspace: Workspace) -> Steps:
    with workspace.folder("letters") as folder:

        def save(counts: dict[str, int]) -> Document:
            image = Image.new("L", (8 * max(len(counts), 1), 8), recipe.shade)
            folder.save_image(image, "letters.png", stamp(recipe), "one bar")
            return {"letters": [{"letter": name, "count": count} for name, count in counts.items()]}

        document = yield from save_results(
            counted(recipe.word), save, lambda counts, message: f"stopped at {message} in {folder.out}"
        )
    yield finished({**document, "out": str(folder.out)})


def counted(word: str):
    counts: dict[str, int] = {}
    for number, letter in enumerate(word):
        counts[letter] = counts.get(letter, 0) + 1
        yield Progress((number + 1) / len(word), f"letter {number + 1}", lambda: dict(counts))
