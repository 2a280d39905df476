"""PixelRNN for binary digits of 28x28."""

from typing import TYPE_CHECKING

from convscope.nets.zoo.entry import MNIST, ZooEntry

if TYPE_CHECKING:
    from torch import nn


def pixelrnn() -> "nn.Module":
    """Build the network with fresh weights: one layer of 16 maps behind a masked 7x7 kernel."""
    from convscope.nets.modules.generative.pixelrnn import PixelRNN

    return PixelRNN()


PIXELRNN = ZooEntry(
    "pixelrnn",
    None,
    MNIST,
    (),
    "the probability of each pixel of a digit given all before it, by recurrent layers",
    "van den Oord, Kalchbrenner and Kavukcuoglu 2016, Pixel Recurrent Neural Networks, arXiv:1601.06759",
    "One layer of 16 maps; the paper has seven. Train it with: convscope train --recipe pixelrnn.",
    module=pixelrnn,
)
