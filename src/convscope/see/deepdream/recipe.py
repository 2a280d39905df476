"""Recipe of the verb `dream`. No torch here."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from convscope.recipe import GIVEN, AtLeast, Conflict, Memory, OnInput, OnlyWith
from convscope.recipe.fields import LayerName, Picture


class DreamRecipe(OnInput):
    """Amplify in an image what a network detects in it (DeepDream), from coarse to fine."""

    verb: ClassVar[str] = "dream"
    positional: ClassVar[tuple[str, ...]] = ("photo",)
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("octave_scale", octaves=AtLeast(2)),
        OnlyWith("lr", steps=AtLeast(1), zoom=GIVEN),
        OnlyWith("jitter", seamless=False, hint="A tile is moved by any number of pixels."),
        OnlyWith("zoom_by", zoom=GIVEN),
        OnlyWith("zoom_steps", zoom=GIVEN),
    )

    photo: Picture = Field(
        description="a picture; its EXIF orientation and its size stay, alpha lies on white"
    )
    layer: list[LayerName] = Field(
        [],
        description="what to amplify: a layer (its activations' energy), a unit like blocks.4.1:17, or a sum "
        "of places; several count alike; what suits the network if left out",
    )
    guide: Picture | None = Field(
        None,
        description="a picture whose kind of activations is wanted: each grows towards its best match there",
    )
    mask: Picture | None = Field(
        None, description="a picture of the photo's shape: white is where to dream, grey is partly"
    )
    octaves: int = Field(4, ge=1, le=32, description="sizes, from small to the picture's own")
    octave_scale: float = Field(1.4, gt=1, le=4, description="from one size to the next")
    steps: int = Field(10, ge=0, le=100_000, description="updates at each size")
    lr: float = Field(
        1.5, gt=0, le=255, description="how much a step changes pixels on average, in 255ths of their range"
    )
    jitter: int = Field(32, ge=0, le=4096, description="pixels by which each step moves the picture, at most")
    size: int | None = Field(
        None, ge=1, le=65_535, description="the longer side in pixels; the picture's own if left out"
    )
    seamless: bool = Field(False, description="a picture whose opposite edges fit, to be laid side by side")
    zoom: int = Field(0, ge=0, le=10_000, description="further frames of a video that zooms into the dream")
    zoom_by: float = Field(1.05, gt=1, le=2, description="how much larger each frame is than the one before")
    zoom_steps: int = Field(4, ge=0, le=1000, description="updates of each further frame, at one size")
    untrained: bool = Field(False, description="dream with fresh weights too: they have nothing to dream of")
    memory: Memory = Field(
        "", description="the most memory to use, as in 2GB; larger pictures are cut in tiles"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of the network's arithmetic; auto: what is measured to be faster"
    )
    memory_format: Literal["channels_last", "contiguous"] = Field(
        "channels_last", description="order of an image's axes in memory"
    )

    @model_validator(mode="after")
    def _possible(self) -> "DreamRecipe":
        if self.zoom and (self.mask or self.seamless):
            given = " and ".join(name for name in ("mask", "seamless") if getattr(self, name))
            raise Conflict(
                "a zoom without --mask and --seamless, since it leaves masks and edges behind",
                received=f"zoom {self.zoom} with {given}",
            )
        return self
