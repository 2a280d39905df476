"""Recipes of tasks about geometry; needs no torch."""

from typing import Literal

from pydantic import Field

from convscope.learn.recipe import TaskRecipe
from convscope.recipe.fields import NetworkName


class DistortedRecipe(TaskRecipe):
    """Hold the settings of the training of a classifier of distorted images."""

    network: NetworkName = Field(
        default="spatial-transformer",
        min_length=1,
        description="what learns: a name, a folder, or a chain of layers in quotes",
    )
    task: str = Field(default="distorted", min_length=1, description="what the training optimises")
    distortion: Literal["rotation", "rts"] = Field(
        default="rts",
        description="rotation by up to 90 degrees, or rotation by up to 45 degrees, scale and translation; "
        "drawn anew in every step, and fixed in the test",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of the target spread over all classes"
    )


class CapsuleRecipe(TaskRecipe):
    """Hold the settings of the training of a capsule network."""

    network: NetworkName = Field(
        default="capsnet-small",
        min_length=1,
        description="what learns: a name, a folder, or a chain of layers that ends in capsulelength",
    )
    task: str = Field(default="capsules", min_length=1, description="what the training optimises")
    reconstruction: float = Field(
        default=0.0005,
        ge=0,
        le=10,
        description="weight of the reconstruction's sum of squared errors beside the margin loss, where "
        "the network has a decoder",
    )
