"""Recipes of the verbs `units` and `unit`. No torch here."""

from typing import ClassVar

from pydantic import Field

from convscope.recipe import OnlyWith, OnNetwork
from convscope.recipe.fields import DataName, LayerName, NetworkName, UnitName

_NET = "which network: a name, or a run's folder"
_DATA = "real inputs: digits, mnist, ..., or a folder of pictures with one folder for each class"
_SPLIT = "which part of the data; train, or all where there are no parts"
_ROOT = "the folder of a published set"


class UnitsRecipe(OnNetwork):
    """Index every unit of every layer in one pass over data."""

    verb: ClassVar[str] = "units"
    positional: ClassVar[tuple[str, ...]] = ("net",)

    net: NetworkName = Field(description=_NET)
    data: DataName = Field(description=_DATA)
    split: str | None = Field(None, description=_SPLIT)
    root: str | None = Field(None, description=_ROOT)
    places: list[LayerName] = Field(
        [], description="layers; every layer with weights of its own, and the result, if left out"
    )
    top_k: int = Field(9, ge=1, le=1000, description="images to keep at either end of each unit's scale")
    batch: int | None = Field(
        None, ge=1, le=65536, description="images at once; as memory allows if left out"
    )
    index: str | None = Field(None, description="the folder of the index; in the user's cache if left out")


class UnitRecipe(OnNetwork):
    """Report on one unit: synthetic images, real examples and statistics."""

    verb: ClassVar[str] = "unit"
    positional: ClassVar[tuple[str, ...]] = ("net", "place")
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("batch", index=None, hint="With an index there is no pass over the data."),
    )

    net: NetworkName = Field(description=_NET)
    place: UnitName = Field(description="which unit: conv2:17, output:3, output:tench")
    data: DataName = Field(description=_DATA)
    split: str | None = Field(None, description=_SPLIT)
    root: str | None = Field(None, description=_ROOT)
    index: str | None = Field(
        None,
        description="the folder of an index; one in the user's cache if left out, made if there is none",
    )
    top_k: int = Field(9, ge=1, le=100, description="real images to show at either end")
    batch: int | None = Field(
        None, ge=1, le=65536, description="images at once; as memory allows if left out"
    )
    steps: int = Field(256, ge=0, le=1_000_000, description="updates of each synthetic picture")
