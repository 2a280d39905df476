"""Recipes of `style train` and `style add`: settings of the training and of the loss. Imports no torch."""

from typing import Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from convscope.learn.recipe import Optimizer, TrainRecipe
from convscope.recipe.fields import FolderName, NetworkName, Painting


class StyleTrainingRecipe(TrainRecipe):
    """What `style train` and `style add` have in common."""

    style: list[Painting] = Field(
        [], description="a painting: FILE, or NAME=FILE; may be given several times"
    )
    test: str | None = Field(
        None, min_length=1, description="a folder of other photographs; if left out, some are held out"
    )

    epochs: int = Field(20, ge=1, le=100_000, description="passes over the photographs")
    batch: int = Field(4, ge=1, le=4096, description="squares per step")
    optimizer: Optimizer = Field("adam", description="the rule that turns gradients into steps")
    lr: float | None = Field(0.001, gt=0, lt=1000, description="highest learning rate")
    clip: float | None = Field(
        0.05,
        gt=0,
        description="longest gradient: nearly all are longer, so that painting and identity pull alike",
    )
    weight_decay: float = Field(0.0, ge=0, le=10, description="of weights; biases are left alone")

    side: int = Field(160, ge=64, le=2048, description="pixels of the squares cut from photographs")
    painting_size: int = Field(
        384, ge=64, le=8192, description="longer side of the paintings: the larger, the larger its strokes"
    )
    content_weight: float = Field(1.0, ge=0, le=1e6, description="how much the photograph counts")
    style_weight: float = Field(30.0, ge=0, le=1e6, description="how much the painting counts")
    smooth_weight: float = Field(1.0, ge=0, le=1e6, description="how much smoothness counts")
    judge: str = Field("hed-vgg16", min_length=1, description="the network that says what style is")
    content_layers: list[str] = Field(
        ["relu4_2"],
        min_length=1,
        description="its layers whose values are content; LAYER/2: of pictures of half the size",
    )
    style_layers: list[str] = Field(
        ["relu1_2", "relu2_2", "relu3_2", "relu4_2"], description="its layers whose correlations are style"
    )
    untrained: bool = Field(False, description="accept a judge that has learned nothing")

    @classmethod
    @override
    def missing(cls, values: dict[str, Any]) -> list[str]:
        """Return the fields without which there is nothing to learn from; none where a run is resumed.

        Args:
            values: settings by field, not validated.

        Returns:
            `photographs` and `style`, where they have no value.
        """
        wanted = () if values.get("resume") else ("photographs", "style")
        return [*super().missing(values), *(name for name in wanted if values.get(name) in (None, [], ()))]


class StyleTrainRecipe(StyleTrainingRecipe):
    """A network that paints photographs like paintings."""

    verb: ClassVar[str] = "style train"
    positional: ClassVar[tuple[str, ...]] = ("photographs",)

    def unused(self) -> dict[str, str]:
        """Return the settings that a network of this kind never reads, each with the reason."""
        found = super().unused()
        if self.task == "johnson":
            names, reason = (
                ("identity_weight", "alternation", "prelude"),
                "johnson has no branch without style",
            )
        elif self.task == "adain":
            names = ("width", "judge", "content_layers", "style_layers", "untrained", "painting_size")
            reason = "adain has a decoder of its own size, and its own encoder judges"
        else:
            return found
        return found | dict.fromkeys(names, reason)

    photographs: FolderName = Field(
        "", description="a folder of photographs, without classes or with; a thousand are plenty"
    )
    task: Literal["stylebank", "johnson", "adain"] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        "stylebank", description="several styles, to be mixed and added to; one; or any, taken when applied"
    )
    width: int = Field(16, ge=4, le=128, description="maps at full size: the more, the better and slower")
    identity_weight: float = Field(
        20.0, ge=0, le=1e6, description="how much the branch without a bank counts"
    )
    alternation: int = Field(
        2, ge=0, le=1000, description="steps of painting before each step of that branch; 0 leaves it out"
    )
    prelude: int = Field(
        300, ge=0, le=1_000_000, description="steps of that branch alone before painting begins"
    )


class StyleAddRecipe(StyleTrainingRecipe):
    """One more style for a StyleBank, all else frozen."""

    verb: ClassVar[str] = "style add"
    positional: ClassVar[tuple[str, ...]] = ("model", "photographs")

    model: NetworkName = Field(
        "stylebank", min_length=1, description="a StyleBank: a name, or the folder of a run"
    )
    photographs: FolderName = Field("", description="a folder of photographs")
    task: Literal["stylebank"] = Field("stylebank", description="the one that has banks")  # pyright: ignore[reportIncompatibleVariableOverride]
    epochs: int = Field(5, ge=1, le=100_000, description="passes over the photographs")
