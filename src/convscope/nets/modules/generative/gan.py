"""Generative adversarial networks: a generator and the discriminator that it learns from, in one module."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

MOST = 2**24
"""Most weights of a layer; larger options in a file are refused before memory is taken."""


class AdversarialPair(nn.Module):
    """Base class of a generator and a discriminator. `forward` is the discriminator.

    Samples and what they imitate are in the range that the network is normalised to.

    Attributes:
        latent: dimensions of the codes that are drawn from a standard normal distribution.
        discriminator: maps samples to one logit each, of being real.
        generator: maps codes `[b z]` to samples.

    Source: Goodfellow et al. 2014, Generative Adversarial Nets, arXiv:1406.2661.
    """

    latent: int
    discriminator: nn.Module
    generator: nn.Module

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b 1"]:
        """Compute the discriminator's logits.

        Args:
            x: samples, normalised.

        Returns:
            Logits `[b 1]` of each being real, not generated.
        """
        return self.discriminator(x)

    def generate(self, z: Float[Tensor, "b z"]) -> Float[Tensor, "b ..."]:
        """Compute the samples of codes.

        Args:
            z: codes `[b z]`; a standard normal distribution is their prior.

        Returns:
            Samples, normalised.
        """
        return self.generator(z)

    def codes(self, count: int, generator: Generator | None = None) -> Float[Tensor, "b z"]:
        """Draw codes from their prior.

        Args:
            count: number of codes.
            generator: draws them, on the CPU; torch's global one if left out.

        Returns:
            Standard normal numbers `[count z]` on the module's device.
        """
        drawn = torch.randn(count, self.latent, generator=generator)
        return drawn.to(next(self.generator.parameters()))


class DCGAN(AdversarialPair):
    """Convolutional generative adversarial network: strides in place of pooling, batch normalisation.

    The generator is a dense layer to maps of a quarter of the size and two transposed convolutions with
    kernels of 4 and strides of 2, which overlap evenly, with ReLUs between and tanh at the end; the
    discriminator is its mirror image with leaky ReLUs, without normalisation behind its first layer. Half as
    deep as the paper's, for small images.

    Args:
        shape: channels, height and width of the images; height and width multiples of 4.
        channels: maps of half the size; those of a quarter of the size are twice as many.
        latent: dimensions of the code.

    Source: Radford, Metz and Chintala 2015, Unsupervised Representation Learning with Deep Convolutional
        Generative Adversarial Networks, arXiv:1511.06434, section 3.
    """

    kind = "dcgan"

    def __init__(self, shape: Sequence[int] = (1, 28, 28), channels: int = 24, latent: int = 64) -> None:
        super().__init__()
        self.input_shape, self.channels, self.latent = tuple(shape), channels, latent
        sizes = (*self.input_shape, channels, latent)
        if len(self.input_shape) != 3 or not all(type(size) is int and size > 0 for size in sizes):
            raise ValueError(f"channels, height and width, and whole numbers above 0, not {sizes}")
        depth, height, width = self.input_shape
        if height % 4 or width % 4:
            raise ValueError(f"a height and width that 4 divides, not {height}x{width}")
        small = (2 * channels, height // 4, width // 4)
        if max(latent * prod(small), 32 * channels**2, 16 * depth * channels) > MOST:
            raise ValueError(f"at most {MOST} weights a layer, not {sizes}")
        self.discriminator = nn.Sequential(
            nn.Conv2d(depth, channels, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(prod(small), 1),
        )
        self.generator = nn.Sequential(
            nn.Linear(latent, prod(small), bias=False),
            nn.Unflatten(1, small),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, depth, 4, 2, 1),
            nn.Tanh(),
        )
        self.apply(_initialise)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the constructor, JSON-ready."""
        return {"shape": list(self.input_shape), "channels": self.channels, "latent": self.latent}


def _initialise(module: nn.Module) -> None:
    """Draw the weights of convolutions and dense layers as the paper does, with a deviation of 0.02."""
    learned = isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    if learned and not module.weight.is_meta:  # there even trying would import torch's compiler
        nn.init.normal_(module.weight, 0.0, 0.02)


class PointGAN(AdversarialPair):
    """Generative adversarial network of points: two hidden ReLU layers on each side.

    Args:
        shape: number of coordinates, as a shape of one axis.
        hidden: units of the hidden layers.
        latent: dimensions of the code.

    Source: Metz, Poole, Pfau and Sohl-Dickstein 2016, Unrolled Generative Adversarial Networks,
        arXiv:1611.02163, appendix A, for the ring of Gaussians; with fewer latent dimensions.
    """

    kind = "point_gan"

    def __init__(self, shape: Sequence[int] = (2,), hidden: int = 128, latent: int = 16) -> None:
        super().__init__()
        self.input_shape, self.hidden, self.latent = tuple(shape), hidden, latent
        sizes = (*self.input_shape, hidden, latent)
        if len(self.input_shape) != 1 or not all(type(size) is int and size > 0 for size in sizes):
            raise ValueError(f"one axis, and whole numbers above 0, not {sizes}")
        if hidden * max(sizes) > MOST:
            raise ValueError(f"at most {MOST} weights a layer, not {sizes}")
        (axes,) = self.input_shape
        self.discriminator = _dense(axes, hidden, 1)
        self.generator = _dense(latent, hidden, axes)

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of the constructor, JSON-ready."""
        return {"shape": list(self.input_shape), "hidden": self.hidden, "latent": self.latent}


def _dense(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Build two hidden ReLU layers and a linear one."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )
