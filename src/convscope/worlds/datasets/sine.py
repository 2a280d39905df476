"""One period of a sine on [0, 1]: a function to approximate, without noise."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.graph.spec import TensorSpec
from convscope.worlds.datasets.points import Points

INTERVALS = 2**14
"""Equal intervals whose ends are the training points; the test points lie in the middle of every fourth."""
CURVATURE = 4 * math.pi**2
"""Largest absolute value of the second derivative."""
SPEC = TensorSpec((1,), name="x")
"""One number from 0 to 1."""


def train() -> Points:
    """Return the training set: evenly spaced points, both ends included, with their values."""
    return _valued(torch.arange(INTERVALS + 1, dtype=torch.float64) / INTERVALS, "sine/train")


def test() -> Points:
    """Return the test set: points that lie between those of `train()`, with their values."""
    return _valued((torch.arange(0, INTERVALS, 4, dtype=torch.float64) + 0.5) / INTERVALS, "sine/test")


test.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  # a part of a data set, not pytest's to collect


def value(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Compute the function: `sin(2 pi x)`.

    Args:
        x: places.

    Returns:
        Values from -1 to 1.
    """
    return torch.sin(2 * math.pi * x)


def _valued(x: Tensor, name: str) -> Points:
    """Return places `[n 1]` with the function's values `[n 1]` as targets, in float32."""
    return Points(x[:, None].float(), value(x)[:, None].float(), SPEC, name)
