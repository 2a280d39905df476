"""Recipes of the verbs that only read data. Torch is not imported here."""

from typing import ClassVar

from pydantic import Field

from convscope.recipe import Recipe
from convscope.recipe.fields import FolderName


class DataCheckRecipe(Recipe):
    """`convscope data check FOLDER`."""

    verb: ClassVar[str] = "data check"
    positional: ClassVar[tuple[str, ...]] = ("folder",)

    folder: FolderName = Field(
        min_length=1, description="pictures, one folder for each class, with or without train/val/test above"
    )
    duplicates: bool = Field(True, description="also look for pictures that are there twice")
    most_pixels: int = Field(
        120_000_000, ge=1, le=10**12, description="do not decode pictures larger than this"
    )
