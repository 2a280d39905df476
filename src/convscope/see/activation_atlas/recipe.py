"""Recipes of the verbs about a layer as a whole: atlas, embedding, caricature, ... No torch here."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from convscope.recipe import AtLeast, OnInput, OnlyWith, OnNetwork
from convscope.recipe.fields import DataName, LayerName, NetworkName, Picture

_NET = "which network: a name, or a run's folder"
_LAYERS = "layers to ask, once for each; the last of each map size if left out"
_SIDE = "side of a made picture in pixels; at most 112, or what the network takes, if left out"
_RATE = "learning rate"
_STEPS = "updates of each picture"
_RATE_MOVES = OnlyWith("lr", steps=AtLeast(1))
_ANGLE_MOVES = OnlyWith("cosine_power", steps=AtLeast(1))


class AtlasRecipe(OnNetwork):
    """Compute an activation atlas of a layer over real images."""

    verb: ClassVar[str] = "atlas"
    positional: ClassVar[tuple[str, ...]] = ("net", "layer")
    only_with: ClassVar[tuple[OnlyWith, ...]] = (_RATE_MOVES, _ANGLE_MOVES)

    net: NetworkName = Field(description=_NET)
    layer: LayerName = Field(description="which layer, like blocks.4 or relu2")
    data: DataName = Field(
        description="real inputs: digits, mnist, ..., or a folder of pictures with one folder for each class"
    )
    split: str | None = Field(
        None, description="which part of the data; train, or all where there are no parts"
    )
    root: str | None = Field(None, description="the folder of a published set")
    images: int = Field(
        100_000,
        ge=16,
        le=1_000_000_000,
        description="pictures to look at, drawn at random where there are more",
    )
    per_image: int = Field(1, ge=1, le=10_000, description="random positions of each picture's map")
    layout: Literal["umap", "pca"] = Field(
        "umap",
        description="umap keeps neighbours together (needs umap-learn); pca shows the widest spread",
    )
    grid: int | None = Field(
        None,
        ge=2,
        le=100,
        description="cells along each side; if left out, so many that a cell holds 12 vectors on average",
    )
    min_count: int = Field(4, ge=1, le=1_000_000_000, description="vectors without which a cell stays empty")
    whiten: bool = Field(
        False, description="leave out of a direction what all of them have in common; shows differences"
    )
    cosine_power: float = Field(
        2.0, ge=0, le=16, description="how much more a picture's angle counts than its strength"
    )
    examples: int = Field(4, ge=0, le=64, description="real patches to show beside each cell")
    steps: int = Field(64, ge=0, le=1_000_000, description=_STEPS)
    size: int | None = Field(None, ge=1, le=4096, description=_SIDE)
    lr: float = Field(0.05, gt=0, le=100, description=_RATE)
    batch: int = Field(32, ge=1, le=4096, description="pictures that are made at once")


class EmbedRecipe(OnNetwork):
    """Embed real inputs in two dimensions by the activations of a layer."""

    verb: ClassVar[str] = "embed"
    positional: ClassVar[tuple[str, ...]] = ("net", "layer")

    net: NetworkName = Field(description=_NET)
    layer: LayerName = Field(description="which layer, like blocks.4 or relu3")
    data: DataName = Field(
        description="real inputs: digits, mnist, ..., or a folder of pictures with one folder for each class"
    )
    split: str | None = Field(None, description="which part of the data; all of it if left out")
    root: str | None = Field(None, description="the folder of a published set")
    images: int = Field(
        10_000, ge=16, le=100_000, description="inputs to look at, drawn at random where there are more"
    )
    layout: Literal["auto", "umap", "pca"] = Field(
        "auto",
        description="umap keeps neighbours together (needs umap-learn); pca shows the widest spread; auto is "
        "umap where it is installed",
    )


class _ReconstructionRecipe(OnInput):
    """Common fields of the verbs that reconstruct one image."""

    positional: ClassVar[tuple[str, ...]] = ("image",)
    only_with: ClassVar[tuple[OnlyWith, ...]] = (_RATE_MOVES,)

    image: Picture = Field(description="a picture")
    layer: list[LayerName] = Field([], description=_LAYERS)
    steps: int = Field(128, ge=0, le=1_000_000, description=_STEPS)
    lr: float | None = Field(
        None, gt=0, le=100, description="learning rate; if left out, what suits the kind of input"
    )


class CaricatureRecipe(_ReconstructionRecipe):
    """Exaggerate in an image the features that a layer detects."""

    verb: ClassVar[str] = "caricature"
    only_with: ClassVar[tuple[OnlyWith, ...]] = (_ANGLE_MOVES,)

    cosine_power: float = Field(2.0, ge=0, le=16, description="how much likeness counts beside strength")


class InvertRecipe(_ReconstructionRecipe):
    """Reconstruct an image from a layer's activations."""

    verb: ClassVar[str] = "invert"
    only_with: ClassVar[tuple[OnlyWith, ...]] = (
        OnlyWith("total_variation", steps=AtLeast(1)),
        OnlyWith("contrast", steps=AtLeast(1)),
    )

    steps: int = Field(256, ge=0, le=1_000_000, description=_STEPS)
    total_variation: float = Field(
        0.3,
        ge=0,
        le=1e9,
        description="penalty on the mean difference of neighbouring pixels, against the share of the "
        "activations' energy that is missed",
    )
    contrast: float = Field(
        0.2,
        ge=0,
        le=1e9,
        description="penalty on the contrast: the root mean square distance from mid-grey",
    )


class FactorsRecipe(OnInput):
    """Factorise a layer's activations into groups of units that are active together."""

    verb: ClassVar[str] = "factors"
    positional: ClassVar[tuple[str, ...]] = ("images",)
    only_with: ClassVar[tuple[OnlyWith, ...]] = (_RATE_MOVES, _ANGLE_MOVES)

    images: list[Picture] = Field(description="one picture, or several that share the groups")
    layer: LayerName | None = Field(
        None,
        min_length=1,
        description="which layer, like blocks.4 or relu2; the last activation with a map of about 7x7 "
        "positions or more if left out",
    )
    count: int = Field(6, ge=1, le=64, description="groups")
    cosine_power: float = Field(
        2.0, ge=0, le=16, description="how much more a made picture's angle counts than its strength"
    )
    steps: int = Field(64, ge=0, le=1_000_000, description=_STEPS)
    size: int | None = Field(None, ge=1, le=4096, description=_SIDE)
    lr: float = Field(0.1, gt=0, le=100, description=_RATE)
    batch: int = Field(16, ge=1, le=4096, description="pictures that are made at once")

    @field_validator("images")
    @classmethod
    def _some(cls, images: list[str]) -> list[str]:
        if not images:
            raise ValueError("one picture or more")
        return images
