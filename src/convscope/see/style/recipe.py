"""Recipe of the verb `style`. No torch here."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from convscope.recipe import GIVEN, AtLeast, Conflict, Memory, OnInput, OnlyWith
from convscope.recipe.fields import LayerName, NetworkName, Painting, Picture


class StyleRecipe(OnInput):
    """Transfer the style of one or several paintings to the content of an image."""

    verb: ClassVar[str] = "style"
    positional: ClassVar[tuple[str, ...]] = ("content",)
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("content_layer", content_weight=GIVEN),
        OnlyWith("optimizer", steps=AtLeast(1)),
        OnlyWith("lr", steps=AtLeast(1)),
    )

    content: Picture = Field(description="the picture whose content is kept")
    style: list[Painting] = Field(
        min_length=1, max_length=64, description="a painting whose style is taken; again for each"
    )
    style_weight: list[float] = Field(
        [], description="how much each painting counts beside the others; all alike if left out"
    )
    content_weight: float = Field(
        0.5, ge=0, le=1e9, description="how much content counts beside style; more keeps more of the picture"
    )
    smooth: float = Field(
        0.15, ge=0, le=1e9, description="how much differences of neighbouring pixels are avoided"
    )
    size: int | None = Field(
        None,
        ge=16,
        le=32_768,
        description="longer side of the result in pixels; the picture's own if left out",
    )
    style_scale: float = Field(
        1.0,
        gt=0,
        le=16,
        description="longer side of the paintings beside the result's: larger strokes above 1",
    )
    color: Literal["style", "luminance", "histogram"] = Field(
        "style",
        description="style: the painting's colours; luminance: the picture's own, exactly; "
        "histogram: a painting recoloured with the picture's colours",
    )
    mask: str | None = Field(
        None, description="a grey picture: style where it is white, the picture as it is where it is black"
    )
    guide: str | None = Field(
        None,
        description="the picture's regions as flat colours; each is painted in the paintings' regions "
        "of the same colour (--style-guide)",
    )
    style_guide: list[str] = Field([], description="the regions of each painting, in the same colours")
    net: NetworkName = Field(
        "hed-vgg16", description="which trained network compares: a name, or a run's folder"
    )
    style_layer: list[LayerName] = Field(
        [], description="layers that style is compared in, like relu3_1; proposed if left out"
    )
    content_layer: list[LayerName] = Field(
        [], description="layers that content is compared in; proposed if left out"
    )
    pool: Literal["auto", "own", "average"] = Field(
        "auto",
        description="average: the network's maximum pooling replaced, as Gatys et al. recommend, and "
        "VGG's maps mirrored at their borders; own: the network as it is; auto: average in VGG",
    )
    scaling: Literal["relative", "gatys", "neural-style"] = Field(
        "relative",
        description="what is compared: correlations of standardised filters as shares of what there is to "
        "reach, which suits any network, or Gram matrices in the sums of the paper or of neural-style, with "
        "weights to go with them",
    )
    start: Literal["content", "noise"] = Field("content", description="what the coarsest picture starts from")
    steps: list[int] = Field(
        [150, 90, 30],
        min_length=1,
        description="updates at each scale, from coarse to fine; the last for all further",
    )
    scales: int | None = Field(
        None,
        ge=1,
        le=12,
        description="sizes to go through, each twice the last; from about 64 px if left out",
    )
    optimizer: Literal["lbfgs", "adam"] = Field("lbfgs", description="how steps are chosen")
    lr: float | None = Field(
        None, gt=0, le=100, description="learning rate; if left out, what suits the optimizer"
    )
    untrained: bool = Field(False, description="allow a network that has learned nothing")
    preview: float | None = Field(
        None, gt=0, le=1e9, description="seconds between pictures of how it goes, in a file beside the result"
    )
    memory: Memory = Field(
        "", description="the most memory to use, as in 4GB; what does not fit is looked at in tiles"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of the network's arithmetic; auto: what is measured to be faster"
    )

    @field_validator("steps")
    @classmethod
    def _counts(cls, steps: list[int]) -> list[int]:
        if any(not 0 <= step <= 1_000_000 for step in steps):
            raise ValueError("0 to 1,000,000")
        return steps

    @model_validator(mode="after")
    def _consistent(self) -> "StyleRecipe":
        paintings = len(self.style)
        self._check_weights(paintings)
        if self.style_guide and not self.guide:
            raise Conflict(
                "--guide with --style-guide: the regions of the picture beside those of each painting",
                received=f"{_counted(len(self.style_guide), 'style guide')}, and no guide",
            )
        if self.guide and len(self.style_guide) != paintings:
            raise Conflict(
                f"one --style-guide for each --style, {paintings} in all",
                received=f"a guide, and {_counted(len(self.style_guide), 'style guide')} for "
                f"{_counted(paintings, 'painting')}",
                hint="Without --guide, styles need no regions.",
            )
        if self.scales and "steps" in self.chosen() and len(self.steps) > self.scales:
            raise Conflict(
                f"steps: one number for each of {_counted(self.scales, 'scale')} at most (--scales)",
                received=f"steps: {_counted(len(self.steps), 'number')}",
            )
        return self

    def _check_weights(self, paintings: int) -> None:
        """Refuse weights that paintings cannot be weighed by."""
        weights = self.style_weight
        if not weights:
            return
        given = ", ".join(f"{weight:g}" for weight in weights)
        received = f"style_weight {given} for {_counted(paintings, 'painting')}"
        if min(weights) < 0 or (len(weights) == paintings and not sum(weights) > 0):
            raise Conflict("weights of paintings that are not negative, and not all 0", received=received)
        if paintings == 1:
            raise Conflict(
                "style_weight with two paintings or more, which it weighs beside each other",
                received=received,
                hint="--content-weight weighs content beside style.",
            )
        if len(weights) != paintings:
            raise Conflict(f"one --style-weight for each --style, {paintings} in all", received=received)

    @property
    def shares(self) -> list[float]:
        """Relative weight of each painting; they add up to 1."""
        weights = self.style_weight or [1.0] * len(self.style)
        return [weight / sum(weights) for weight in weights]

    def steps_at(self, scale: int) -> int:
        """Return the number of updates at a scale.

        Args:
            scale: index of the scale, 0 for the coarsest.

        Returns:
            The number of updates; the last given number for all further scales.
        """
        return self.steps[min(scale, len(self.steps) - 1)]


def _counted(count: int, what: str) -> str:
    """Return a number of things in words: `no style guides`, `1 painting`, `2 paintings`."""
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"
