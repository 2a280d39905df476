"""A multilayer perceptron, with which the lecture compares convolution: three hidden layers of 200 units."""

from convscope.graph.chain import chain
from convscope.graph.graph import Graph
from convscope.nets.zoo.entry import DIGITS, MNIST, ZooEntry


def mlp() -> Graph:
    """Build the graph: 239,410 parameters on 28x28 digits."""
    return chain("1x28x28", "flatten, dense 200, relu, dense 200, relu, dense 200, relu, dense 10")


MLP = ZooEntry(
    "mlp",
    mlp,
    MNIST,
    DIGITS,
    "three hidden layers of 200 neurons, everything connected",
    "Lecture on convolutional networks, the network that convolution is compared with",
    "The lecture counts 100*200 + 2*200*200 = 100,000 weights for 10x10 images; no biases, no output.",
)
