"""A spatial transformer network for distorted digits, and a plain network with as many parameters.

Both are smaller than those of the paper: 92,096 and 92,208 parameters, 4.2 and 3.5 million
multiply-accumulates.

Source: Jaderberg, Simonyan, Zisserman and Kavukcuoglu 2015, Spatial Transformer Networks, section 4.1,
arXiv:1506.02025.
"""

from convscope.graph.chain import chain
from convscope.graph.graph import Graph, Node
from convscope.graph.layers.resizing import SpatialTransformer
from convscope.graph.spec import TensorSpec
from convscope.nets.zoo.entry import DIGITS, ZooEntry
from convscope.nets.zoo.published.parts import follow

SIDE, SAMPLED = 42, 28
"""Height and width of the input, and of what is sampled from it."""
LOCALISATION = (
    "conv1 = conv 16 5x5, relu1 = relu, pool1 = maxpool 2, conv2 = conv 16 5x5, relu2 = relu, "
    "pool2 = maxpool 2, flatten = flatten, dense = dense 32, relu3 = relu"
)
CLASSIFIER = (
    "conv1 = conv 32 5x5, relu1 = relu, pool1 = maxpool 2, conv2 = conv 32 5x5, relu2 = relu, "
    "pool2 = maxpool 2, flatten = flatten, dense1 = dense 64, relu3 = relu, dense2 = dense 10"
)
PLAIN = (
    "conv1 = conv 16 5x5, relu1 = relu, pool1 = maxpool 2, conv2 = conv 32 5x5, relu2 = relu, "
    "pool2 = maxpool 2, flatten = flatten, dense1 = dense 50, relu3 = relu, dense2 = dense 10"
)


def spatial_transformer() -> Graph:
    """Build the graph: localisation network, spatial transformer, classifier of what it samples."""
    image = (1, SIDE, SIDE)
    localisation, features, _ = follow("input", image, LOCALISATION, "localisation_")
    sampler = Node("sampled", SpatialTransformer(SAMPLED), ("input", features))
    classifier, _, _ = follow("sampled", (1, SAMPLED, SAMPLED), CLASSIFIER)
    return Graph({"input": image}, (*localisation, sampler, *classifier))


def plain() -> Graph:
    """Build the graph of the network without a spatial transformer."""
    return chain((1, SIDE, SIDE), PLAIN)


SPEC = TensorSpec((1, SIDE, SIDE), kind="digit")
PAPER = "Jaderberg et al. 2015, Spatial Transformer Networks, section 4.1, arXiv:1506.02025"

SPATIAL_TRANSFORMER = ZooEntry(
    "spatial-transformer",
    spatial_transformer,
    SPEC,
    DIGITS,
    "a network that predicts where to look in a distorted digit, and classifies what it samples there",
    PAPER,
    "92,096 parameters, smaller than the paper's. Before training it samples the whole input.",
)
PLAIN_CNN = ZooEntry(
    "distorted-digits-cnn",
    plain,
    SPEC,
    DIGITS,
    "a plain network for distorted digits, to compare spatial-transformer with",
    PAPER,
    "92,208 parameters, 112 more than spatial-transformer.",
)
