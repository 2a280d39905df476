"""AlphaGo's policy network, small residual ones with a policy and a value, a fully connected baseline."""

from dataclasses import replace
from functools import partial

from convscope.graph.chain import chain
from convscope.graph.graph import Graph, Node
from convscope.graph.layers.merge import Add
from convscope.graph.spec import GO, TensorSpec
from convscope.nets.zoo.entry import ZooEntry
from convscope.nets.zoo.published.parts import follow

LETTERS = "ABCDEFGHJKLMNOPQRST"
"""Columns of a board from the left, without I."""
ALPHAGO_PLANES = 48
SMALL_PLANES = 20
PAPER = (
    "Silver et al. 2016, Mastering the game of Go with deep neural networks and tree search, "
    "doi:10.1038/nature16961"
)
SEEN = "Input: the 20 planes that convscope.worlds.go names SMALL_PLANES."


def points(size: int) -> tuple[str, ...]:
    """Return the names of the points of a board, row by row from the top.

    Args:
        size: side of the board.

    Returns:
        Such as `A9`, `B9`, ..., `J1`.
    """
    return tuple(f"{LETTERS[column]}{size - row}" for row in range(size) for column in range(size))


def alphago_policy(filters: int = 192) -> Graph:
    """Build AlphaGo's policy network: 13 convolutions, no pooling, a bias for each point.

    The input is padded to 23x23 for the first kernel of 5x5, every map to 21x21 for those of 3x3.

    Args:
        filters: filters of each convolution; 192 played, 128 to 384 are in the paper's Extended Data Table 3.

    Returns:
        The graph, for 48 planes of 19x19, with a logit for each of the 361 points.
    """
    layers = [f"conv1 = conv {filters} 5x5 padding=2, relu1 = relu"]
    layers += [f"conv{k} = conv {filters} 3x3 padding=1, relu{k} = relu" for k in range(2, 13)]
    layers.append("conv13 = conv 1 1x1 bias=false, bias = positionbias, flatten = flatten")
    return chain(f"{ALPHAGO_PLANES}x19x19", ", ".join(layers))


def residual_policy(size: int, filters: int, blocks: int, planes: int = SMALL_PLANES) -> Graph:
    """Build a residual network with two outputs: a logit for each point, and who is ahead.

    Args:
        size: side of the board.
        filters: filters of each convolution.
        blocks: residual blocks of two convolutions.
        planes: planes of the input.

    Returns:
        The graph. `policy` has `size * size` logits, `value` is -1 to 1 for the player to move.
    """
    shape = (planes, size, size)
    wide = f"conv {filters} 3x3 padding=1 bias=false"
    nodes, last, out = follow("input", shape, f"conv1 = {wide}, bn1 = batchnorm2d, relu1 = relu")
    for number in range(1, blocks + 1):
        text = f"conv1 = {wide}, bn1 = batchnorm2d, relu1 = relu, conv2 = {wide}, bn2 = batchnorm2d"
        path, end, out = follow(last, out, text, f"block{number}_")
        joined = Node(f"block{number}_add", Add(), (end, last))
        after, last, out = follow(joined.name, out, "relu2 = relu", f"block{number}_")
        nodes += (*path, joined, *after)
    policy, _, _ = follow(
        last, out, "policy_conv = conv 1 1x1 bias=false, policy_bias = positionbias, policy = flatten"
    )
    value, _, _ = follow(
        last,
        out,
        "value_conv = conv 2 1x1 bias=false, value_bn = batchnorm2d, value_relu = relu, "
        "value_flatten = flatten, value_hidden = dense 32, value_relu2 = relu, value_out = dense 1, "
        "value = tanh",
    )
    return Graph({"input": shape}, (*nodes, *policy, *value), ("policy", "value"))


def fully_connected(size: int = 19, planes: int = 3) -> Graph:
    """Build the lecture's alternative to a convolutional network: the board as one vector.

    Args:
        size: side of the board.
        planes: planes of the input.

    Returns:
        The graph, with a logit for each point.
    """
    return chain(
        f"{planes}x{size}x{size}",
        f"flatten, dense 256, relu, dense 256, relu, dense {size * size}",
    )


def _board(planes: int, size: int) -> TensorSpec:
    """Return the spec of boards."""
    return TensorSpec((planes, size, size), kind=GO)


ALPHAGO_POLICY = ZooEntry(
    "alphago-policy",
    alphago_policy,
    _board(ALPHAGO_PLANES, 19),
    points(19),
    "AlphaGo's policy network: where an expert would move",
    PAPER,
    "3,882,793 parameters with 192 filters, the network that played; 55.4% of expert moves in the paper. "
    "Fresh weights: the paper's were never published.",
)
GO_RESIDUAL_9X9 = ZooEntry(
    "go-residual-9x9",
    partial(residual_policy, 9, 32, 4),
    _board(SMALL_PLANES, 9),
    points(9),
    "small residual network with policy and value for Go on 9x9",
    PAPER,
    SEEN,
)
GO_RESIDUAL_19X19 = ZooEntry(
    "go-residual-19x19",
    partial(residual_policy, 19, 32, 4),
    _board(SMALL_PLANES, 19),
    points(19),
    "small residual network with policy and value for Go on 19x19",
    PAPER,
    SEEN,
)
GO_9X9 = replace(
    GO_RESIDUAL_9X9,
    name="go-9x9",
    summary="go-residual-9x9, trained on games of GNU Go with itself; ships with the package",
    note=f"{SEEN} Trained by the recipe go-9x9.",
    weights="go-9x9",
)
GO_19X19 = replace(
    GO_RESIDUAL_19X19,
    name="go-19x19",
    summary="go-residual-19x19, trained on games of 9-dan players; ships with the package",
    note=f"{SEEN} Trained by the recipe go-19x19.",
    weights="go-19x19",
)
GO_MLP = ZooEntry(
    "go-mlp",
    fully_connected,
    _board(3, 19),
    points(19),
    "the board as one vector, fully connected: what the lecture compares a convolutional network with",
    "Lecture on convolutional networks, playing Go",
    "Input: own stones, the opponent's, empty points.",
)
