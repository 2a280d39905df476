"""The first layer's filters as pictures."""

from torch import Tensor

from convscope.show.figure import Figure
from convscope.show.figures.units import sheet


def figure(weights: Tensor, command: str) -> Figure:
    """Filters `[n h w]`, all on one scale."""
    body = sheet(weights, [f"{k}" for k in range(len(weights))], tile="3.2rem")
    return Figure(
        "seen.filters", body, command,
        "Alex Krizhevsky, Ilya Sutskever, Geoffrey Hinton, ImageNet classification (2012), figure 3",
        {"count": len(weights), "limit": f"{float(weights.abs().max()):.2f}"},
    )  # fmt: skip
