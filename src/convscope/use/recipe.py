"""The schemas of the verbs that use a trained network. No torch here."""

from typing import ClassVar

from pydantic import Field

from convscope.recipe import OnNetwork


class Classify(OnNetwork):
    """What is in a picture."""

    verb: ClassVar[str] = "classify"
    positional: ClassVar[tuple[str, ...]] = ("net", "images")

    net: str = Field(description="which network: a name, or a run's folder")
    images: list[str] = Field(min_length=1, description="pictures")
    top: int = Field(3, ge=1, description="how many answers to give for each")
    batch: int = Field(32, ge=1, description="pictures that are looked at together")
