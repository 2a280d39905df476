"""Recipes of the verbs that use a trained network. This module does not import torch."""

from typing import ClassVar, Literal

from pydantic import Field

from convscope.recipe import Memory, OnDevice, OnInput
from convscope.recipe.fields import NetworkName, Picture, StyleName


class ClassifyRecipe(OnInput):
    """Hold the settings of `convscope classify`."""

    verb: ClassVar[str] = "classify"
    positional: ClassVar[tuple[str, ...]] = ("images",)

    images: list[Picture] = Field(
        min_length=1, description="files (images, sounds), or folders of them with all folders below"
    )
    top: int = Field(3, ge=1, le=1_000_000, description="how many answers to give for each")
    batch: int = Field(32, ge=1, le=1_000_000, description="pictures that are looked at together")


class StylizeRecipe(OnDevice):
    """Hold the settings of `convscope style apply`."""

    verb: ClassVar[str] = "style apply"
    positional: ClassVar[tuple[str, ...]] = ("photo",)

    photo: Picture = Field(min_length=1, description="the photograph to paint")
    model: NetworkName | None = Field(
        None,
        min_length=1,
        description="a network that paints: a name, or the folder of a run; if left out, adain where styles "
        "are files of paintings, else stylebank",
    )
    style: list[StyleName] = Field(
        [],
        description="NAME or the FILE of a painting, :WEIGHT after it, 0 to 10: below 1 the rest is the "
        "photograph, above 1 the style is stronger, beyond 2 it drowns things; several are mixed. The "
        "model's first style if left out; photo is the photograph as it was",
    )
    mask: list[str] = Field(
        [], description="FILE:NAME: paint in that style where the picture in FILE is bright"
    )
    size: int | None = Field(
        None, ge=16, le=32768, description="longer side of the result; the photograph's own if left out"
    )
    memory: Memory = Field(
        "1GiB", description="memory to work in, as in 1GB; larger photographs are painted in parts"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto measures which is faster")
