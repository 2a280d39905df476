"""Recipes of the verbs that only read data. Torch is not imported here."""

from typing import ClassVar, Literal

from pydantic import Field

from convscope.recipe import Recipe
from convscope.recipe.fields import FolderName


class DataCheckRecipe(Recipe):
    """`convscope data check FOLDER`."""

    verb: ClassVar[str] = "data check"
    positional: ClassVar[tuple[str, ...]] = ("folder",)

    folder: FolderName = Field(
        min_length=1,
        description="pictures or sounds, one folder for each class, with or without train/val/test above; "
        "texts with classes; game records",
    )
    kind: Literal["auto", "image", "sound", "text", "go"] = Field(
        "auto", description="what the files are; auto tells it by the endings of most"
    )
    duplicates: bool = Field(True, description="also look for what is there twice")
    most_pixels: int = Field(
        120_000_000, ge=1, le=10**12, description="do not decode pictures larger than this"
    )
