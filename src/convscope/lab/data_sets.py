"""What can be trained on in the lab: sets of every world, and the named recipes that fit them. No torch."""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from convscope.learn import PUBLISHED, find_recipe, recipe_names

WORLDS = ("image", "sound", "text", "go", "vector")
"""Worlds of data, in the order of the page."""
BUNDLED = {
    "digits": "image",
    "strokes": "image",
    "chirps": "sound",
    "phrases": "text",
    "go-9x9": "go",
    "ring": "vector",
    "sine": "vector",
}
"""Sets that ship or are computed, with their worlds."""
DIGITS = ("digits", "mnist", "fashion-mnist")
"""Sets of one form: a recipe for one of them takes the others."""
PICTURES = (*DIGITS[1:], "cifar10")
SPOKEN = "fsdd"
"""Name of the folder of a set that has several names."""
SENTENCES = "text"
"""Another name of the folder in which published sets of sentences lie together."""
START = {"sound": "sound-square", "text": "kim-rand", "go": "go-9x9", "vector": "gan-ring"}
"""The recipe that is proposed first; pictures begin without one."""
FREE = ("classification", "go")
"""Tasks that learn from any data of their world."""


@dataclass(frozen=True)
class DataSet:
    """A set by name.

    Attributes:
        name: as recipes take it.
        world: one of `WORLDS`.
        published: whether its files lie in a folder of the user, rather than in the package.
    """

    name: str
    world: str
    published: bool


@dataclass(frozen=True)
class FittingRecipe:
    """A named recipe, and what it fits.

    Attributes:
        name: as `--recipe` takes it.
        title: a few words.
        summary: what is trained, and what it shows.
        source: the paper.
        task: the task of the training.
        world: one of `WORLDS`.
        data: the set that it names.
        sets: the sets by name that it learns from.
        files: whether it learns from files of the user, too.
    """

    name: str
    title: str
    summary: str
    source: str
    task: str
    world: str
    data: str
    sets: tuple[str, ...]
    files: bool


def data_sets() -> tuple[DataSet, ...]:
    """Return all sets by name, those that need no folder first.

    Returns:
        The sets.
    """
    own = [DataSet(name, world, False) for name, world in BUNDLED.items()]
    return (*own, *(DataSet(name, _world_of(name), True) for name in PUBLISHED))


def root_of(name: str, data: Path | None) -> Path | None:
    """Return the folder of a published set.

    Args:
        name: the set.
        data: the folder of published sets, each in a folder of its name; None without one.

    Returns:
        The folder; None where the set is not published, or there is no such folder.
    """
    if data is None or name not in PUBLISHED:
        return None
    names = [SPOKEN if name.startswith(SPOKEN) else name]
    names += [SENTENCES] if _world_of(name) == "text" else []
    return next((data / folder for folder in names if (data / folder).is_dir()), None)


@cache
def recipes() -> tuple[FittingRecipe, ...]:
    """Return the named recipes with what they fit, in the order of their names.

    Returns:
        The recipes.
    """
    return tuple(map(_fitting, recipe_names()))


def choices(data: Path | None) -> list[dict[str, Any]]:
    """Return what can be trained on, by world.

    Args:
        data: the folder of published sets; None without one.

    Returns:
        For each world `world`, `sets` (`name`, `published`, `ready`: whether its files are there, and `root`:
        their folder, empty for none),
        `recipes` (the fields of `FittingRecipe`) and `start` (the recipe that is proposed; empty for none).
    """
    return [
        {
            "world": world,
            "sets": [
                {
                    "name": found.name,
                    "published": found.published,
                    "ready": not found.published or root_of(found.name, data) is not None,
                    "root": str(root_of(found.name, data) or ""),
                }
                for found in data_sets()
                if found.world == world
            ],
            "recipes": [asdict(found) for found in recipes() if found.world == world],
            "start": START.get(world, ""),
        }
        for world in WORLDS
    ]


def _fitting(name: str) -> FittingRecipe:
    recipe = find_recipe(name)
    values = recipe.values()
    task, data = str(values.get("task", "classification")), str(values.get("data", "digits"))
    world = "go" if task == "go" else _world_of(data)
    alike = [one.name for one in data_sets() if one.world == world]
    if task not in FREE:
        alike = list(DIGITS) if data in DIGITS and task != "multitask" else [data]
    texts = recipe.name, recipe.title, recipe.summary, recipe.source
    return FittingRecipe(*texts, task, world, data, tuple(alike), task in FREE)


def _world_of(name: str) -> str:
    """Return the world of a set; what is no known name is a folder of pictures."""
    if name in BUNDLED:
        return BUNDLED[name]
    if name.startswith(SPOKEN):
        return "sound"
    return "text" if name in PUBLISHED and name not in PICTURES else "image"
