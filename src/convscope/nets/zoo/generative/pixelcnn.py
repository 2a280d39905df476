"""PixelCNN for binary digits of 28x28."""

from typing import TYPE_CHECKING

from convscope.nets.zoo.entry import MNIST, ZooEntry

if TYPE_CHECKING:
    from torch import nn


def pixelcnn() -> "nn.Module":
    """Build the network with fresh weights: 24 maps, four masked 3x3 convolutions behind the first of 7x7."""
    from convscope.nets.modules.generative.pixelcnn import PixelCNN

    return PixelCNN()


PIXELCNN = ZooEntry(
    "pixelcnn",
    None,
    MNIST,
    (),
    "the probability of each pixel of a digit given those before it",
    "van den Oord, Kalchbrenner and Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759",
    "Smaller than the paper's. Train it with the task pixel-likelihood: convscope train --recipe pixelcnn.",
    module=pixelcnn,
)
