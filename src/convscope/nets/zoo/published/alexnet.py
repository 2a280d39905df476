"""AlexNet as published: two towers that meet before the third convolution and before the dense layers.

Source: Krizhevsky, Sutskever and Hinton 2012, ImageNet Classification with Deep Convolutional Neural
Networks, sections 3.3-3.5 and 4.2; 60,965,224 parameters. torchvision's `alexnet` is the later one-tower
network (61,100,840).
"""

from convscope.graph.graph import Graph, Node
from convscope.graph.layers.merge import Concat
from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.nets.zoo.entry import ZooEntry
from convscope.nets.zoo.published.parts import follow

SIZE = 227
"""The paper states 224; with an 11x11 kernel and stride 4, its 55x55 maps need 227."""

NORM = "lrn 5 alpha=0.0005 beta=0.75 k=2"
"""The paper's alpha of 1e-4 multiplies a sum over five maps, of which torch takes the mean: hence 5e-4."""

LOWER = (
    "conv1{t} = conv 48 11x11 stride=4, relu1{t} = relu, norm1{t} = "
    + NORM
    + ", pool1{t} = maxpool 3 stride=2, "
    "conv2{t} = conv 128 5x5 padding=2, relu2{t} = relu, norm2{t} = "
    + NORM
    + ", pool2{t} = maxpool 3 stride=2"
)
UPPER = (
    "conv3{t} = conv 192 3x3 padding=1, relu3{t} = relu, conv4{t} = conv 192 3x3 padding=1, relu4{t} = relu, "
    "conv5{t} = conv 128 3x3 padding=1, relu5{t} = relu, pool5{t} = maxpool 3 stride=2"
)
HEAD = (
    "flatten = flatten, dense6 = dense 4096, relu6 = relu, dropout6 = dropout 0.5, "
    "dense7 = dense 4096, relu7 = relu, dropout7 = dropout 0.5, dense8 = dense 1000"
)


def alexnet() -> Graph:
    """Build the graph: towers `a` and `b`; each tower's third convolution reads both."""
    image = (3, SIZE, SIZE)
    lower = [follow("input", image, LOWER.format(t=t)) for t in "ab"]
    both = Node("both2", Concat(), tuple(last for _, last, _ in lower))
    channels, *space = lower[0][2]
    upper = [follow("both2", (2 * channels, *space), UPPER.format(t=t)) for t in "ab"]
    joined = Node("both5", Concat(), tuple(last for _, last, _ in upper))
    channels, *space = upper[0][2]
    head, _, _ = follow("both5", (2 * channels, *space), HEAD)
    towers = [node for nodes, _, _ in (*lower, *upper) for node in nodes]
    return Graph({"input": image}, (*towers, both, joined, *head))


ALEXNET = ZooEntry(
    "alexnet-two-towers",
    alexnet,
    TensorSpec(
        (3, SIZE, SIZE),
        mean=(0.485, 0.456, 0.406),
        std=(1 / 255,) * 3,
        name="photo",
        transform=ImageTransform(crop=SIZE / 256),
    ),
    None,
    "AlexNet as published, in two towers",
    "Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks",
    "No published weights fit it here. The paper subtracts a mean image from values up to 255; here it is "
    "ImageNet's mean colour. Initial weights are torch's, not the paper's.",
)
