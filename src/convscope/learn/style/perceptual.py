"""Perceptual losses of stylized photographs.

Content and style distances are measured in the features of a trained loss network.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from convscope import nets
from convscope.errors import MissingError, UsageError
from convscope.learn.style.recipe import StyleTrainingRecipe
from convscope.nets import Net, record
from convscope.nets.activations.address import LayerAddress
from convscope.nets.inference.execution import PLAIN, ExecutionConfig
from convscope.nets.style.bank import NAME
from convscope.nets.style.losses import content_loss, gram, style_loss
from convscope.worlds.images.datasets.style_images import painting

LOSS_NETWORK = "hed-vgg16"
"""The default loss network, in whose features content and style are compared."""
CONTENT = "relu4_2"
STYLE = ("relu1_2", "relu2_2", "relu3_2", "relu4_2")
"""Source of both: Chen et al. 2017 (StyleBank), section 4."""
TINY = 1e-12
REDUCED, MOST_REDUCED = re.compile(r"(.+)/(\d{1,2})"), 16
BLURS = (1, 4, 16)
"""Sides in pixels of the blocks whose mean colours a `palette` describes: dots, strokes, shapes."""

Images = Float[Tensor, "b 3 h w"]


@dataclass(frozen=True)
class PerceptualDistances:
    """Hold content and style distance of each image, relative to the size of what is compared.

    Attributes:
        content: squared distance of features, over the mean square of the photograph's; 0 is equal, 1 as far
            as all-zero features.
        style: relative squared distance of Gram matrices, mean over layers; 0 is equal, 1 as far as a zero
            matrix.
    """

    content: Float[Tensor, " b"]
    style: Float[Tensor, " b"]


@dataclass(frozen=True)
class Tap:
    """Name a layer of the loss network, and the size of the images whose features are compared there.

    On images of half the size a layer sees structures twice as large, for a quarter of the arithmetic.

    Attributes:
        layer: address of the layer.
        reduction: images are reduced to 1/`reduction` of their size first, by the means of blocks.
    """

    layer: str
    reduction: int = 1

    @classmethod
    def of(cls, word: str) -> "Tap":
        """Parse `LAYER` or `LAYER/REDUCTION`, as in `relu3_1/2`.

        Args:
            word: layer, and reduction if it is not 1.

        Returns:
            The layer and the reduction.

        Raises:
            UsageError: the reduction is no whole number from 1 to 16.
        """
        match = REDUCED.fullmatch(word)
        layer, reduction = (match[1], int(match[2])) if match else (word, 1)
        if not 1 <= reduction <= MOST_REDUCED:
            raise UsageError(f"a reduction of 1 to {MOST_REDUCED}", received=word)
        return cls(layer, reduction)


class PerceptualLoss:
    """Measure how far stylized photographs are from the photographs (content) and the paintings (style).

    Distances are divided by the size of what is compared, so that layers and paintings have the same weight,
    and the values can be compared between trainings.

    Args:
        net: loss network, whose features are compared; its weights are not changed.
        paintings: one image `[1 3 h w]` in [0, 1] for each style.
        content: layers whose features are compared for content.
        style: layers whose Gram matrices are compared for style.

    Raises:
        UsageError: a layer does not exist, or there is no painting or no style layer.
    """

    def __init__(
        self,
        net: Net,
        paintings: Sequence[Float[Tensor, "1 3 _ _"]],
        content: Sequence[str] = (CONTENT,),
        style: Sequence[str] = STYLE,
    ) -> None:
        self.net = net
        self.content, self.style = tuple(map(Tap.of, content)), tuple(map(Tap.of, style))
        if not paintings or not style or not content:
            raise UsageError(
                "a painting, a layer of content and one of style",
                received="none",
                hint="Name at least one painting, one layer for content and one for style.",
            )
        with torch.no_grad():
            features = [self._record(image.to(net.device), self.style, PLAIN) for image in paintings]
            palettes = [palette(image.to(net.device)) for image in paintings]
        self.palettes = torch.cat(palettes)
        self.grams = {tap: torch.cat([gram(one[tap]) for one in features]) for tap in self.style}
        self.blank = {tap: style_loss(torch.zeros_like(g), g) + TINY for tap, g in self.grams.items()}

    def features(self, images: Images, execution: ExecutionConfig = PLAIN) -> dict["Tap", Tensor]:
        """Record the features of the style and content layers; gradients flow to the images.

        Args:
            images: `[b 3 h w]` in [0, 1].
            execution: precision and memory format.

        Returns:
            Features by layer and size, in fp32.
        """
        return self._record(images, (*self.style, *self.content), execution)

    def _record(
        self, images: Images, taps: Sequence["Tap"], execution: ExecutionConfig
    ) -> dict["Tap", Tensor]:
        """Record features in one pass for each size at which a layer is compared."""
        found: dict[Tap, Tensor] = {}
        for reduction in sorted({tap.reduction for tap in taps}):
            seen = functional.avg_pool2d(images, reduction) if reduction > 1 else images
            places = {tap: LayerAddress(tap.layer) for tap in taps if tap.reduction == reduction}
            with execution.autocast(images.device):
                recorded = record(self.net, execution.to_memory_format(seen), list(places.values()))
            found |= {tap: recorded[place].float() for tap, place in places.items()}
        return found

    def judge(
        self,
        painted: Images,
        photographs: Images,
        styles: Int64[Tensor, " b"],
        execution: ExecutionConfig = PLAIN,
    ) -> PerceptualDistances:
        """Compute content and style distances of stylized photographs.

        Gradients flow to the stylized photographs only.

        Args:
            painted: stylized photographs `[b 3 h w]` in [0, 1].
            photographs: the originals `[b 3 h w]` in [0, 1].
            styles: index of each one's painting, `[b]`.
            execution: precision and memory format.

        Returns:
            Both distances of each image, `[b]`.
        """
        with torch.no_grad():
            targets = self._record(photographs, self.content, execution)
        features = self.features(painted, execution)
        content = [
            content_loss(features[tap], target) / (target.square().flatten(1).mean(1) + TINY)
            for tap, target in targets.items()
        ]
        return PerceptualDistances(torch.stack(content).mean(0), self.style_of(features, styles))

    def style_of(self, answer: dict["Tap", Tensor], styles: Int64[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Compute the style distance of each image from its painting: the mean over the style layers.

        In each layer it is the squared distance of the Gram matrices over the sum of their squares: 0 for
        equal ones, 1 for a blank image, and bounded, so that no layer, painting or outlier outweighs the
        others.

        Args:
            answer: features of the style layers, from `features`.
            styles: index of each image's painting, `[b]`.

        Returns:
            Distances `[b]`.
        """
        parts = []
        for tap in self.style:
            grams, targets = gram(answer[tap]), self.grams[tap][styles]
            scale = style_loss(grams, torch.zeros_like(grams)) + self.blank[tap][styles]
            parts.append(style_loss(grams, targets) / scale)
        return torch.stack(parts).mean(0)

    def palette_of(self, painted: Images, styles: Int64[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Compute the relative distance of each image's `palette` from its painting's.

        Args:
            painted: stylized photographs `[b 3 h w]` in [0, 1].
            styles: index of each one's painting, `[b]`.

        Returns:
            Distances `[b]`: 0 for equal palettes, 1 for an image of one colour.
        """
        palettes, targets = palette(painted), self.palettes.to(painted.device)[styles]
        distance = (palettes - targets).square().sum((-2, -1))
        scale = (palettes.square() + targets.square()).sum((-2, -1)) + TINY
        return (distance / scale).mean(1)


def palette(images: Images) -> Float[Tensor, "b s 3 3"]:
    """Compute the covariance of an image's colours, for each block size of `BLURS`.

    Args:
        images: `[b 3 h w]` in [0, 1].

    Returns:
        Covariance matrices `[b s 3 3]` of the blocks' mean colours, one for each of `s` block sizes.
    """
    found = []
    for side in BLURS:
        blurred = functional.avg_pool2d(images, side, ceil_mode=True)
        found.append(gram(blurred - blurred.mean((-2, -1), keepdim=True)))
    return torch.stack(found, 1)


def roughness(images: Images) -> Float[Tensor, " b"]:
    """Compute the mean squared difference of neighbouring pixels (squared total variation).

    Args:
        images: `[b 3 h w]` in [0, 1].

    Returns:
        Sum of the vertical and the horizontal mean, `[b]`.

    Source: Johnson et al. 2016.
    """
    down = (images[..., 1:, :] - images[..., :-1, :]).square().flatten(1).mean(1)
    across = (images[..., 1:] - images[..., :-1]).square().flatten(1).mean(1)
    return down + across


def range_penalty(images: Images) -> Float[Tensor, " b"]:
    """Compute the mean squared distance of the values from the range [0, 1].

    Args:
        images: `[b c h w]`.

    Returns:
        Penalties `[b]`; 0 where all values are in the range.
    """
    return functional.relu((images - 0.5).abs() - 0.5).square().flatten(1).mean(1)


def frozen_copy(net: Net) -> Net:
    """Freeze a network's weights and put it into evaluation mode, in place.

    Args:
        net: network to freeze.

    Returns:
        The same network.
    """
    net.module.requires_grad_(False).eval()
    return net


@dataclass(frozen=True)
class PerceptualConfig:
    """Configure the perceptual loss.

    Attributes:
        network: name of the loss network.
        content: layers whose features are compared for content; see `Tap` for `LAYER/REDUCTION`.
        style: layers whose Gram matrices are compared for style.
        untrained: whether a loss network without trained weights is accepted.
    """

    network: str = LOSS_NETWORK
    content: tuple[str, ...] = (CONTENT,)
    style: tuple[str, ...] = STYLE
    untrained: bool = False
    paintings: int = 384
    """Longer side of the paintings, in pixels."""

    @classmethod
    def from_recipe(cls, recipe: StyleTrainingRecipe) -> "PerceptualConfig":
        """Return the configuration of a recipe.

        Args:
            recipe: names the loss network, its layers and the size of the paintings.

        Returns:
            The configuration.
        """
        return cls(
            recipe.judge,
            tuple(recipe.content_layers),
            tuple(recipe.style_layers),
            recipe.untrained,
            recipe.painting_size,
        )


def parse_styles(words: Sequence[str]) -> dict[str, str]:
    """Parse styles from `NAME=FILE`, or `FILE`, whose name without extension is then the style's.

    Args:
        words: arguments of the command line.

    Returns:
        The file of each style's painting, by name.

    Raises:
        UsageError: a name occurs twice, or there is no painting.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or not NAME.fullmatch(name):
            name, file = _slug(Path(word).stem), word
        if name in found:
            raise UsageError(
                "a name of its own for each style",
                received=f"{name}, twice",
                hint=f"Name them: --style {name}-2={file}",
            )
        found[name] = file
    if not found:
        raise UsageError(
            "at least one painting", received="none", hint="For example: --style wave=great_wave.jpg"
        )
    return found


def perceptual_loss(judging: PerceptualConfig, styles: Mapping[str, str]) -> PerceptualLoss:
    """Build the perceptual loss of some paintings.

    Args:
        judging: loss network, layers, and size of the paintings.
        styles: files of the paintings, by the names of their styles.

    Returns:
        The perceptual loss, with its network frozen; styles are numbered in the order of `styles`.

    Raises:
        UsageError: the network or a layer does not exist.
        MissingError: the network has no trained weights, and `judging.untrained` is not set.
        DataError: a painting cannot be used.
    """
    paintings = [painting(file, judging.paintings) for file in styles.values()]
    net = nets.load(judging.network, seed=0)
    if net.source.weights == "none" and not judging.untrained:
        raise MissingError(
            "a network that has learned to see, as a judge of style",
            received=f"{judging.network} with fresh weights",
            hint=f"{LOSS_NETWORK} ships with its weights. With --untrained, fresh ones may judge.",
        )
    return PerceptualLoss(frozen_copy(net), paintings, judging.content, judging.style)


def _slug(stem: str) -> str:
    """Make a style's name of a file's: lower case, digits and hyphens, beginning with a letter."""
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).lstrip("-0123456789")
    return slug[:40].strip("-") or "style"
