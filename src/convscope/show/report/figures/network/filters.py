"""The figure of the first layer's convolution kernels as images."""

from torch import Tensor

from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.units import sheet

ONE_SIDED = 0.5
"""Least |sum| / sum of |weights| of a kernel "of one sign": one sign then has three times the other's sum."""


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
