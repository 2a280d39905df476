"""How far a painted photograph is from its content and from its painting, seen by a trained network."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from convscope.errors import UsageError
from convscope.nets import Net, record
from convscope.nets.activations.address import LayerAddress
from convscope.nets.inference.execution import PLAIN, ExecutionConfig
from convscope.nets.style.losses import content_loss, gram, style_loss

LOSS_NETWORK = "hed-vgg16"
"""The network whose layers say what style and content are."""
CONTENT = "relu4_2"
STYLE = ("relu1_2", "relu2_2", "relu3_2", "relu4_2")
"""Source of both: Chen et al. 2017 (StyleBank), section 4."""
TINY = 1e-12
BLURS = (1, 4, 16)
"""Sides of the blocks, in pixels, whose mean colours make a palette: of dots, of strokes, of shapes."""

Images = Float[Tensor, "b 3 h w"]


@dataclass(frozen=True)
class PerceptualDistances:
    """Of each image: shares of what there would be to lose. 0 is perfect, 1 as bad as nothing at all."""

    content: Float[Tensor, " b"]
    style: Float[Tensor, " b"]


class PerceptualLoss:
    """Compares painted photographs with the photographs and the paintings.

    Distances are shares of what a blank picture would lose, so that layers and paintings weigh alike and the
    numbers mean the same everywhere.

    Args:
        net: the network whose layers say what style and content are; its weights stay.
        paintings: one image `[1 3 h w]` in [0, 1] for each style.
        content: the layer whose values are content.
        style: the layers whose correlations are style.

    Raises:
        UsageError: a layer is not there.
    """

    def __init__(
        self,
        net: Net,
        paintings: Sequence[Float[Tensor, "1 3 _ _"]],
        content: str = CONTENT,
        style: Sequence[str] = STYLE,
    ) -> None:
        self.net = net
        self.content, self.style = LayerAddress(content), tuple(map(LayerAddress, style))
        if not paintings or not style:
            raise UsageError("at least one painting and one layer of style", received="none")
        with torch.no_grad():
            seen = [record(net, image.to(net.device), self.style) for image in paintings]
            palettes = [palette(image.to(net.device)) for image in paintings]
        self.palettes = torch.cat(palettes)
        self.grams = {place: torch.cat([gram(one[place].float()) for one in seen]) for place in self.style}
        self.blank = {place: style_loss(torch.zeros_like(g), g) + TINY for place, g in self.grams.items()}

    def features(self, images: Images, choice: ExecutionConfig = PLAIN) -> dict[LayerAddress, Tensor]:
        """What the layers of style and content answer, in fp32; gradients flow to the images."""
        places = (*self.style, self.content)
        with choice.autocast(images.device):
            seen = record(self.net, choice.to_memory_format(images), places)
        return {place: maps.float() for place, maps in seen.items()}

    def judge(
        self,
        painted: Images,
        photographs: Images,
        styles: Int64[Tensor, " b"],
        choice: ExecutionConfig = PLAIN,
    ) -> PerceptualDistances:
        """How far each painted photograph is from its photograph and from its painting."""
        with torch.no_grad(), choice.autocast(photographs.device):
            seen = record(self.net, choice.to_memory_format(photographs), [self.content])
            wanted = seen[self.content].float()
        answer = self.features(painted, choice)
        content = content_loss(answer[self.content], wanted) / (wanted.square().flatten(1).mean(1) + TINY)
        return PerceptualDistances(content, self.style_of(answer, styles))

    def style_of(
        self, answer: dict[LayerAddress, Tensor], styles: Int64[Tensor, " b"]
    ) -> Float[Tensor, " b"]:
        """The mean over layers of each image's distance from its painting.

        In each layer it is the squared distance of the correlations over the sum of their squares: 0 for the
        same, 1 for a blank, and never much more, so that no layer, painting or odd picture outweighs others.
        """
        parts = []
        for place in self.style:
            here, wanted = gram(answer[place]), self.grams[place][styles]
            both = style_loss(here, torch.zeros_like(here)) + self.blank[place][styles]
            parts.append(style_loss(here, wanted) / both)
        return torch.stack(parts).mean(0)

    def palette_of(self, painted: Images, styles: Int64[Tensor, " b"]) -> Float[Tensor, " b"]:
        """How far each image's `palette` is from its painting's, as a share: 0 the same, 1 for one colour."""
        here, wanted = palette(painted), self.palettes.to(painted.device)[styles]
        apart = (here - wanted).square().sum((-2, -1))
        both = (here.square() + wanted.square()).sum((-2, -1)) + TINY
        return (apart / both).mean(1)


def palette(images: Images) -> Float[Tensor, "b s 3 3"]:
    """How colours vary together: the covariance of the mean colours of blocks, for each of `BLURS`."""
    found = []
    for side in BLURS:
        blurred = functional.avg_pool2d(images, side, ceil_mode=True)
        found.append(gram(blurred - blurred.mean((-2, -1), keepdim=True)))
    return torch.stack(found, 1)


def roughness(images: Images) -> Float[Tensor, " b"]:
    """Mean squared difference of neighbours: total variation, squared. Source: Johnson et al. 2016."""
    down = (images[..., 1:, :] - images[..., :-1, :]).square().flatten(1).mean(1)
    across = (images[..., 1:] - images[..., :-1]).square().flatten(1).mean(1)
    return down + across


def range_penalty(images: Images) -> Float[Tensor, " b"]:
    """Mean squared distance from [0, 1] of what lies outside it."""
    return functional.relu((images - 0.5).abs() - 0.5).square().flatten(1).mean(1)


def frozen_copy(net: Net) -> Net:
    """The network with weights that do not learn, in evaluation mode."""
    net.module.requires_grad_(False).eval()
    return net
