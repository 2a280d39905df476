"""Recipes of the verbs `look` and `visualize`. No torch here."""

import re
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from convscope.recipe import GIVEN, AtLeast, Conflict, Memory, OnInput, OnlyWith, OnNetwork
from convscope.recipe.fields import DataName, LayerName, NetworkName, Picture, UnitName

MOST_SIDE = 32_768
"""Largest side of a synthetic image in pixels; whether it fits into memory is checked before work begins."""


class LookRecipe(OnInput):
    """Show the feature maps of one image, layer by layer."""

    verb: ClassVar[str] = "look"
    positional: ClassVar[tuple[str, ...]] = ("image",)
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("split", data=GIVEN),
        OnlyWith("root", data=GIVEN),
        OnlyWith("images", data=GIVEN),
    )

    image: Picture | None = Field(
        None,
        description="an image, or a sound; one that ships if left out, for networks of digits",
    )
    places: list[LayerName] = Field([], description="layers to look at; every layer with maps if left out")
    top_channels: int = Field(8, ge=1, le=4096, description="how many of a layer's units to name and show")
    filters: bool = Field(True, description="also show the filters themselves")
    data: DataName | None = Field(
        None,
        description="real inputs for each layer's dead, saturated and redundant units: digits, or a folder",
    )
    split: str | None = Field(None, description="which part of the data")
    root: str | None = Field(None, description="the folder of a published set")
    images: int = Field(512, ge=2, le=100_000, description="how many of the data's images to look at")


class VisualizeRecipe(OnNetwork):
    """Synthesise images that maximise a unit, a layer or a class."""

    verb: ClassVar[str] = "visualize"
    positional: ClassVar[tuple[str, ...]] = ("net", "places")
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("stops", journey=True),
        OnlyWith("stops", places=[], hint="Each place that is named is a stop."),
        OnlyWith("units", journey=True),
        OnlyWith("spectrum", canvas="maco"),
        OnlyWith("decay", canvas="fourier"),
        OnlyWith("start", canvas=("fourier", "pixels")),
        OnlyWith("start", variants=1, hint="Variants of one place differ by their first noise."),
        OnlyWith("negative", both=False),
        OnlyWith("diversity", variants=AtLeast(2)),
        OnlyWith("optimizer", steps=AtLeast(1)),
        OnlyWith("lr", steps=AtLeast(1)),
        OnlyWith("schedule", steps=AtLeast(1)),
        OnlyWith("animate", steps=AtLeast(1)),
    )

    net: NetworkName = Field(description="which network: a name, or a run's folder")
    places: list[UnitName] = Field(
        [],
        description="what to maximise: conv2:17, conv2:17@5,5 (a neuron), conv2:0-7 or conv2:* (many units), "
        "conv2 (the whole layer), output:3 or output:tench, or a sum: 'conv2:17 - 0.3*conv2:7'",
    )
    journey: bool = Field(
        False,
        description="visualize layers from first to last, and units of each; PLACES are then layers, if any",
    )
    stops: int = Field(9, ge=1, le=200, description="layers of a journey, where none are named")
    units: int = Field(
        5,
        ge=1,
        le=1000,
        description="units of each layer of a journey; all classes of an output of at most 12",
    )
    steps: int = Field(128, ge=0, le=1_000_000, description="updates of the picture")
    size: list[int] = Field(
        [],
        max_length=2,
        description="height and width of the picture (96x160), or one number; the network's own if left out",
    )
    canvas: Literal["fourier", "pixels", "maco", "cppn"] = Field(
        "fourier",
        description="what is optimised: spectra, pixels, only the phases of a photograph's spectrum (maco), "
        "or the weights of a small network that draws (cppn)",
    )
    spectrum: list[Picture] = Field([], description="photographs whose mean spectrum maco holds fixed")
    transforms: Literal["auto", "standard", "lucid", "shifts", "crops", "none"] = Field(
        "auto",
        description="random transforms in every step; auto: shifts for small pictures, crops for "
        "maco, else standard",
    )
    optimizer: Literal["auto", "normalized_sgd", "adam"] = Field(
        "auto", description="auto: normalized_sgd for spectra and phases, adam for pixels and cppn"
    )
    lr: float | None = Field(
        None, gt=0, le=100, description="learning rate; if left out, what suits canvas and optimizer"
    )
    schedule: Literal["auto", "constant_then_linear", "linear", "cosine", "constant"] = Field(
        "auto",
        description="how the learning rate falls over the steps; constant_then_linear: in their second half; "
        "auto: that one for normalized_sgd in spectra, else linear",
    )
    decay: float = Field(
        1.0, ge=0, le=4, description="exponent by which a Fourier canvas scales down high frequencies"
    )
    reduce: Literal["mean", "sum", "max", "min", "centre"] = Field(
        "mean",
        description="how a unit's map is reduced to one number; sum is the lecture's degree of activation",
    )
    negative: bool = Field(False, description="minimise the activation instead")
    both: bool = Field(False, description="two pictures for each place: maximised and minimised")
    variants: int = Field(1, ge=1, le=64, description="different pictures for each place")
    diversity: float = Field(
        1.0, ge=0, le=1e6, description="weight of the term that keeps the variants of a place different"
    )
    l1: float = Field(0.0, ge=0, le=1e6, description="penalty on the sum of |x|, as in the lecture")
    l2: float = Field(0.0, ge=0, le=1e6, description="penalty on the norm of the picture")
    total_variation: float = Field(
        0.0, ge=0, le=1e6, description="penalty on differences of neighbouring pixels"
    )
    blur: float = Field(0.0, ge=0, le=1e6, description="penalty on what blurring would remove")
    start: Literal["noise", "zeros"] = Field("noise", description="what a picture starts from")
    save_steps: list[int] = Field([], description="steps to keep, as one strip: 0,4,48,128")
    animate: bool = Field(False, description="also save the course of each picture as an animated WebP")
    batch: int = Field(0, ge=0, le=4096, description="pictures that are made at once; 0: what is fastest")
    memory: Memory = Field("", description="the most memory to use, as in 4GB; decides the batch")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of the network's arithmetic; auto: what is measured to be faster"
    )
    memory_format: Literal["auto", "contiguous", "channels_last"] = Field(
        "auto", description="order of an image's axes in memory; auto: what is measured to be faster"
    )

    @classmethod
    def missing(cls, values: dict[str, Any]) -> list[str]:
        """Return the fields without which there is nothing to do: places too, except for a journey.

        Args:
            values: settings by field, not validated.

        Returns:
            Names of fields.
        """
        named = values.get("places") not in (None, [], ())
        needs = [] if values.get("journey") or named else ["places"]
        return [*super().missing(values), *needs]

    @field_validator("size")
    @classmethod
    def _positive(cls, size: list[int]) -> list[int]:
        if any(not 1 <= extent <= MOST_SIDE for extent in size):
            raise ValueError(f"1 to {MOST_SIDE:,}")
        return size

    @field_validator("save_steps", mode="before")
    @classmethod
    def _split(cls, film: Any) -> Any:
        return _parts(film, ",")

    @field_validator("size", mode="before")
    @classmethod
    def _sides(cls, size: Any) -> Any:
        return _parts(size, "[,x×]")

    @field_validator("save_steps")
    @classmethod
    def _ordered(cls, film: list[int]) -> list[int]:
        if any(not 0 <= step <= 1_000_000 for step in film):
            raise ValueError("0 to 1,000,000")
        return sorted(set(film))

    @model_validator(mode="after")
    def _some(self) -> "VisualizeRecipe":
        if not self.places and not self.journey:
            raise Conflict("places: one or more, or a --journey", received="neither a place nor a journey")
        if self.save_steps and self.save_steps[-1] > self.steps:
            raise Conflict(
                f"save_steps: at most {self.steps}, the last step (--steps)",
                received=f"save_steps: {', '.join(map(str, self.save_steps))}",
            )
        return self


def _parts(entries: Any, between: str) -> Any:
    """Split every text of a list where the pattern matches; other entries stay."""
    if isinstance(entries, int | str) and not isinstance(entries, bool):
        entries = [entries]
    if not isinstance(entries, list | tuple):
        return entries
    split = (re.split(between, entry) if isinstance(entry, str) else [entry] for entry in entries)
    return [part for parts in split for part in parts]
