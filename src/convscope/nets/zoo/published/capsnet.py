"""Capsule networks for digits: the published one, and a smaller one; both with the decoder.

Source: Sabour, Frosst and Hinton 2017, Dynamic Routing Between Capsules, section 4, arXiv:1710.09829;
8,215,568 parameters, of which the decoder has 1,411,344.
"""

from functools import partial

from convscope.graph.graph import Graph
from convscope.graph.spec import TensorSpec
from convscope.nets.zoo.entry import DIGITS, ZooEntry
from convscope.nets.zoo.published.parts import follow

PRIMARY, DIGIT = 8, 16
"""Channels of a primary capsule, and of a digit's."""
DECODER = (
    "mask = capsulemask {digit}, dense1 = dense {hidden1}, relu1 = relu, dense2 = dense {hidden2}, "
    "relu2 = relu, dense3 = dense 784, image = sigmoid"
)


def capsnet(channels: int = 256, types: int = 32, hidden: tuple[int, int] = (512, 1024)) -> Graph:
    """Build the graph: convolution, primary capsules, digit capsules; outputs `length` and `image`.

    Args:
        channels: of the first convolution.
        types: primary capsules at each of the 6x6 positions.
        hidden: units of the hidden layers of the decoder.

    Returns:
        The graph, for digits of 28x28. The 784 values of `image` are the decoder's reconstruction.
    """
    encoder, last, shape = follow(
        "input",
        (1, 28, 28),
        f"conv1 = conv {channels} 9x9, relu = relu, primary = conv {types * PRIMARY} 9x9 stride=2, "
        f"squash = squash {PRIMARY}, capsules = capsules {len(DIGITS)} {DIGIT} {PRIMARY}",
    )
    length, _, _ = follow(last, shape, f"length = capsulelength {DIGIT}")
    text = DECODER.format(digit=DIGIT, hidden1=hidden[0], hidden2=hidden[1])
    decoder, _, _ = follow(last, shape, text, "")
    return Graph({"input": (1, 28, 28)}, (*encoder, *length, *decoder), ("length", "image"))


SPEC = TensorSpec((1, 28, 28), kind="digit")
PAPER = "Sabour et al. 2017, Dynamic Routing Between Capsules, section 4, arXiv:1710.09829"

CAPSNET = ZooEntry(
    "capsnet",
    capsnet,
    SPEC,
    DIGITS,
    "a capsule network as published: dynamic routing, and a decoder of the digit's capsule",
    PAPER,
    "8,215,568 parameters. Outputs are lengths of capsules, each a probability on its own; train it with the "
    "task capsules.",
    output="independent_probabilities",
)
CAPSNET_SMALL = ZooEntry(
    "capsnet-small",
    partial(capsnet, 64, 8, (128, 256)),
    SPEC,
    DIGITS,
    "a capsule network with a quarter of the paper's width",
    PAPER,
    "960,848 parameters; train it with the task capsules: convscope train --recipe capsnet.",
    output="independent_probabilities",
)
