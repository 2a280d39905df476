"""The first layer's filters as pictures."""

from torch import Tensor

from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.units import sheet

ONE_SIDED = 0.5
"""Share of a filter's weight that is left when its signs cancel; here one sign has three times the other."""


def figure(weights: Tensor, command: str) -> Figure:
    """Filters `[n h w]`, all on one scale; how many are mostly of one sign is counted."""
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
