"""The ring of Gaussians: points in the plane whose modes can be counted.

Source: Metz, Poole, Pfau and Sohl-Dickstein 2016, Unrolled Generative Adversarial Networks, arXiv:1611.02163,
    appendix A.
"""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from convscope.graph.spec import TensorSpec
from convscope.worlds.datasets.points import Points

MODES = 8
"""Gaussians of the ring."""
RADIUS, SIGMA = 2.0, 0.02
"""Radius of the ring, and standard deviation of each Gaussian along each axis."""
SPEC = TensorSpec((2,), value_range=(-3.0, 3.0), name="point")
"""Two coordinates."""


def train() -> Points:
    """Return the training set: 8,000 points in random order, each time the same ones."""
    return _drawn(8000, 0, "ring/train")


def test() -> Points:
    """Return the test set: 2,000 points, drawn independently of those of `train()`."""
    return _drawn(2000, 1, "ring/test")


test.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  # a part of a data set, not pytest's to collect


def centres() -> Float[Tensor, "modes 2"]:
    """Return the centres of the Gaussians, at equal angles, the first on the right."""
    angles = torch.arange(MODES) * (2 * math.pi / MODES)
    return RADIUS * torch.stack([angles.cos(), angles.sin()], 1)


def _drawn(count: int, seed: int, name: str) -> Points:
    """Draw points from the mixture of all Gaussians, without targets."""
    generator = Generator().manual_seed(seed)
    modes = torch.randint(MODES, (count,), generator=generator)
    points = centres()[modes] + SIGMA * torch.randn(count, 2, generator=generator)
    return Points(points, None, SPEC, name)
