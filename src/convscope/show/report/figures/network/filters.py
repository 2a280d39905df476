"""The figures of the first layer's convolution kernels as images."""

from torch import Tensor

from convscope.see.features import Filters
from convscope.show.images.draw import tag, upscale
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.units import sheet
from convscope.show.svg import element
from convscope.worlds.images import rgb

SIDE = 42
"""Height of a kernel in colours, in pixels."""
ONE_SIDED = 0.5
"""Least |sum| / sum of |weights| of a kernel "of one sign": one sign then has three times the other's sum."""


MOST_KERNELS = 64
"""Most kernels that are shown of a trained network."""


def of_run(found: Filters, command: str) -> Figure:
    """Build the figure of the kernels of any first layer: in colours, or signed on one scale.

    Args:
        found: the kernels of the layer.
        command: reproduces the images.

    Returns:
        The figure.
    """
    count, channels, *extent = found.weights.shape
    names = [f"{k}" for k in range(count)][:MOST_KERNELS]
    if found.pictures.shape[1] == 3 and found.pictures.dim() == 4:
        tiles = [
            element("div", tag(upscale(rgb(one), SIDE), name, "photo"), name, class_="tile")
            for one, name in zip(found.pictures[:MOST_KERNELS], names, strict=True)
        ]
        body = element("div", *tiles, class_="sheet", style="--tile:3.2rem")
    else:
        single = found.weights[:MOST_KERNELS].mean(1)
        body = sheet(single if single.dim() == 3 else single[:, None], names, tile="3.2rem")
    values = {
        "place": found.place,
        "count": count,
        "shown": len(names),
        "extent": "×".join(map(str, extent)),
        "channels": channels,
    }
    return Figure("trained.filters", body, command, "", values)


def figure(weights: Tensor, command: str) -> Figure:
    """Build the figure of convolution kernels, all on one colour scale.

    The text counts the kernels that are mostly positive, mostly negative, and of both signs.

    Args:
        weights: kernels `[n h w]` of a layer with one input channel.
        command: reproduces the images.

    Returns:
        The figure.
    """
    body = sheet(weights, [f"{k}" for k in range(len(weights))], tile="3.2rem")
    balance = weights.flatten(1).sum(1) / weights.flatten(1).abs().sum(1).clamp_min(1e-12)
    ink, paper = int((balance >= ONE_SIDED).sum()), int((balance <= -ONE_SIDED).sum())
    return Figure(
        "seen.filters",
        body,
        command,
        "Alex Krizhevsky, Ilya Sutskever, Geoffrey Hinton, ImageNet classification with deep convolutional "
        "neural networks (NIPS 2012)",
        {
            "count": len(weights),
            "limit": f"{float(weights.abs().max()):.2f}",
            "ink": ink,
            "paper": paper,
            "edges": len(weights) - ink - paper,
        },
    )
