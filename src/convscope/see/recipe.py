"""The schemas of the verbs that look inside a network. No torch here."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from convscope.recipe import Recipe


class Look(Recipe):
    """Feature maps of one picture, layer by layer."""

    verb: ClassVar[str] = "look"
    positional: ClassVar[tuple[str, ...]] = ("net", "image")

    net: str = Field(description="which network: a name, or a run's folder")
    image: str | None = Field(None, description="a picture; a handwritten digit of the package if left out")
    places: list[str] = Field([], description="layers to look at; every layer with maps if left out")
    strongest: int = Field(8, ge=1, le=4096, description="how many of a layer's units to name and show")
    filters: bool = Field(True, description="also show the filters themselves")
    data: str | None = Field(
        None, description="real inputs for each layer's dead, saturated and redundant units: digits, or a folder"
    )
    split: str | None = Field(None, description="which part of the data")
    root: str | None = Field(None, description="the folder of a published set")
    images: int = Field(512, ge=2, le=100_000, description="how many of the data's images to look at")


class Visualize(Recipe):
    """Pictures that a unit, a layer or a class likes best."""

    verb: ClassVar[str] = "visualize"
    positional: ClassVar[tuple[str, ...]] = ("net", "places")

    net: str = Field(description="which network: a name, or a run's folder")
    places: list[str] = Field(
        description="what to please: conv2:17, conv2:17@5,5 (a neuron), conv2:0-7 or conv2:* (many units), "
        "conv2 (the whole layer), output:3 or output:tench",
    )
    steps: int = Field(256, ge=0, le=1_000_000, description="updates of the picture")
    size: list[int] = Field(
        [],
        max_length=2,
        description="height and width of the picture, or one number; the network's own if left out",
    )
    canvas: Literal["fourier", "pixels"] = Field("fourier", description="what moves: spectra, or pixels")
    transforms: Literal["auto", "standard", "shifts", "none"] = Field(
        "auto",
        description="small changes that the picture must survive; auto: standard where any size is taken",
    )
    rate: float = Field(0.05, gt=0, le=100, description="learning rate")
    decay: float = Field(1.0, ge=0, le=4, description="how much a Fourier canvas damps fine grain")
    reduce: Literal["mean", "sum", "max", "centre"] = Field(
        "mean", description="what a unit's map counts: sum is the lecture's degree of activation"
    )
    negative: bool = Field(False, description="find what the unit likes least")
    l1: float = Field(0.0, ge=0, description="penalty on the sum of |x|, as in the lecture")
    l2: float = Field(0.0, ge=0, description="penalty on the norm of the picture")
    total_variation: float = Field(0.0, ge=0, description="penalty on differences of neighbouring pixels")
    blur: float = Field(0.0, ge=0, description="penalty on what blurring would remove")
    start: Literal["noise", "zeros"] = Field("noise", description="what a picture starts from")
    batch: int = Field(16, ge=1, le=4096, description="pictures that are made at once")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of the network's arithmetic")

    @field_validator("size")
    @classmethod
    def _positive(cls, size: list[int]) -> list[int]:
        if any(extent < 1 for extent in size):
            raise ValueError("sizes are 1 or more")
        return size

    @field_validator("places")
    @classmethod
    def _some(cls, places: list[str]) -> list[str]:
        if not places:
            raise ValueError("name one place or more")
        return places
