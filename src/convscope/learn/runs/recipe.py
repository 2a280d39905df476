"""Recipes of `runs` and `runs prune`. Imports no torch."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from convscope.recipe import Recipe

RUNS_FOLDER = Path("runs")
"""The folder below which runs are looked for where none is named."""


class RunsRecipe(Recipe):
    """Which runs to list or to compare."""

    verb: ClassVar[str] = "runs"
    positional: ClassVar[tuple[str, ...]] = ("runs",)

    runs: tuple[Path, ...] = Field(
        default=(), description="the folders of two or more runs to compare; one folder to list what is in it"
    )


class PruneRecipe(Recipe):
    """Which runs to prune."""

    verb: ClassVar[str] = "runs prune"
    positional: ClassVar[tuple[str, ...]] = ("folder",)

    folder: Path = Field(default=RUNS_FOLDER, description="the folder with the runs, or one run")
    yes: bool = Field(default=False, description="remove it; without, only say what would be removed")
