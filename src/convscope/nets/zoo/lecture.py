"""The lecture's network for handwritten digits: as printed, with ReLUs after its convolutions, and trained.

Source: the Keras code in the lecture, `Convolution2D(25,3,3)`, `MaxPooling2D((2,2))`,
`Convolution2D(50,3,3)`, `MaxPooling2D((2,2))`, `Flatten`, `Dense(100)`, `relu`, `Dense(10)`, `softmax`;
137,660 parameters.
"""

from convscope.graph.chain import chain
from convscope.graph.graph import Graph
from convscope.nets.zoo.entry import DIGITS, MNIST, ZooEntry

PAPER = "Lecture on convolutional networks, Keras code for MNIST"
SOFTMAX = "The printed softmax is not a layer here: the loss and the answer apply it to the logits."


def lecture() -> Graph:
    """Build the graph exactly as printed: no activation between a convolution and its pooling."""
    return chain(
        "1x28x28", "conv 25 3x3, maxpool 2, conv 50 3x3, maxpool 2, flatten, dense 100, relu, dense 10"
    )


def lecture_relu() -> Graph:
    """Build the graph with a ReLU after each convolution."""
    return chain(
        "1x28x28",
        "conv 25 3x3, relu, maxpool 2, conv 50 3x3, relu, maxpool 2, flatten, dense 100, relu, dense 10",
    )


LECTURE = ZooEntry(
    "lecture",
    lecture,
    MNIST,
    DIGITS,
    "the lecture's network exactly as printed: no activation after the convolutions",
    PAPER,
    SOFTMAX,
)
LECTURE_RELU = ZooEntry(
    "lecture-relu",
    lecture_relu,
    MNIST,
    DIGITS,
    "the lecture's network with a ReLU after each convolution",
    PAPER,
    SOFTMAX,
)
TRAINED = ZooEntry(
    "digits",
    lecture_relu,
    MNIST,
    DIGITS,
    "the lecture's network with ReLUs, trained on real handwritten digits; ships with the package",
    PAPER,
    "Trained by scripts/train_digits.py on the digits that ship with the package.",
    weights="digits",
)
