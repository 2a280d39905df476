"""The recipe of a tour; importing it costs no torch."""

from typing import ClassVar

from pydantic import Field

from convscope.recipe import ComputeRecipe


class TourRecipe(ComputeRecipe):
    """Train the lecture's network on real digits, look inside it, and write one illustrated report."""

    verb: ClassVar[str] = "tour"

    epochs: int = Field(4, ge=1, le=1000, description="how often each network sees every training digit")
    steps: int = Field(128, ge=1, le=100_000, description="steps of gradient ascent for each picture")
    digit: int = Field(
        3, ge=0, le=9, description="the class of the digit that is followed through the network"
    )
