"""The convolutional autoencoder of the blog in the lecture's readings: 784 values through 196 and back."""

from convscope.graph.chain import chain
from convscope.graph.graph import Graph
from convscope.nets.zoo.entry import MNIST, ZooEntry


def autoencoder() -> Graph:
    """Build the graph: 28 to 14 to 7, and back by transposed convolutions whose 2x2 kernels never overlap."""
    return chain(
        "1x28x28",
        "conv 16 3x3 padding=1, relu, maxpool 2, conv 4 3x3 padding=1, relu, maxpool 2, "
        "convtranspose 16 2x2 stride=2, relu, convtranspose 1 2x2 stride=2, sigmoid",
    )


AUTOENCODER = ZooEntry(
    "autoencoder",
    autoencoder,
    MNIST,
    (),
    "a convolutional autoencoder: 28x28 through 4x7x7 and back",
    "ConvAutoencoder, in the lecture's readings",
    "1,077 parameters; the output is an image in [0, 1].",
)
