"""Generative adversarial networks: of digits, and of points in the plane."""

from dataclasses import replace
from typing import TYPE_CHECKING

from convscope.graph.spec import TensorSpec
from convscope.nets.zoo.entry import MNIST, ZooEntry

if TYPE_CHECKING:
    from torch import nn


def dcgan() -> "nn.Module":
    """Build the convolutional network with fresh weights: 24 and 48 maps, 64 latent dimensions."""
    from convscope.nets.modules.generative.gan import DCGAN

    return DCGAN()


def point_gan() -> "nn.Module":
    """Build the network of points with fresh weights: two layers of 128 units, 16 latent dimensions."""
    from convscope.nets.modules.generative.gan import PointGAN

    return PointGAN()


DISCRIMINATOR = "Its input and its layers are those of the discriminator; generator.* is the other half."
DCGAN = ZooEntry(
    "dcgan",
    None,
    replace(MNIST, mean=(0.5,), std=(0.5,)),
    (),
    "a generator of digits, and the discriminator that it learns from",
    "Radford, Metz and Chintala 2015, Deep Convolutional Generative Adversarial Networks, arXiv:1511.06434",
    f"{DISCRIMINATOR} Half as deep as the paper's. Train it with the task gan: convscope train --recipe gan.",
    module=dcgan,
)
POINT_GAN = ZooEntry(
    "point-gan",
    None,
    TensorSpec((2,), value_range=(-3.0, 3.0), name="point"),
    (),
    "a generator of points in the plane, and its discriminator",
    "Metz, Poole, Pfau and Sohl-Dickstein 2016, Unrolled Generative Adversarial Networks, arXiv:1611.02163",
    f"{DISCRIMINATOR} Train it with the task gan-ring: convscope train --recipe gan-ring.",
    module=point_gan,
)
