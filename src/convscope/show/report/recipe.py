"""The recipe of a tour; importing it costs no torch."""

from typing import ClassVar, Literal

from pydantic import Field

from convscope.recipe import OnlyWith, SeededRecipe

World = Literal["image", "sound", "text", "go"]


class TourRecipe(SeededRecipe):
    """Train the lecture's network on digits, or open one of another world; write an illustrated report."""

    verb: ClassVar[str] = "tour"
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("epochs", world="image"),
        OnlyWith("steps", world="image"),
        OnlyWith("digit", world="image"),
    )

    world: World = Field(
        "image", description="what the network looks at: pictures of digits, sounds, sentences, boards of Go"
    )

    epochs: int = Field(4, ge=1, le=1000, description="how often each network sees every training digit")
    steps: int = Field(128, ge=1, le=100_000, description="steps of gradient ascent for each picture")
    digit: int = Field(
        3, ge=0, le=9, description="the class of the digit that is followed through the network"
    )
