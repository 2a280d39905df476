"""The variational autoencoder: digits of 28x28 from a code of 20 numbers."""

from typing import TYPE_CHECKING

from convscope.nets.zoo.entry import MNIST, ZooEntry

if TYPE_CHECKING:
    from torch import nn


def variational_autoencoder() -> "nn.Module":
    """Build the network with fresh weights: 400 hidden units, 20 latent dimensions."""
    from convscope.nets.modules.generative.vae import VAE

    return VAE()


VAE = ZooEntry(
    "vae",
    None,
    MNIST,
    (),
    "a variational autoencoder: digits from 20 numbers that are drawn at random",
    "Kingma and Welling 2013, Auto-Encoding Variational Bayes, arXiv:1312.6114",
    "652,824 parameters; train it with the task vae: convscope train --recipe vae.",
    module=variational_autoencoder,
)
