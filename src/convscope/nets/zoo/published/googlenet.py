"""GoogLeNet as published, with 5x5 kernels in its 5x5 branches and without auxiliary heads.

6,998,552 parameters.

Source: Szegedy et al. 2014, Going Deeper with Convolutions, table 1, arXiv:1409.4842. torchvision's
`googlenet` has 3x3 kernels in the 5x5 branches, and batch normalisation.
"""

from convscope.graph.graph import Graph, Node
from convscope.graph.layers.merge import Concat
from convscope.graph.spec import ImageTransform, Shape, TensorSpec
from convscope.nets.zoo.entry import ZooEntry
from convscope.nets.zoo.published.parts import follow

NORM = "lrn 5 alpha=0.0001 beta=0.75 k=1"
"""The paper gives no values for local response normalisation; these are Caffe's, divided as in torch."""

STEM = (
    "conv1 = conv 64 7x7 stride=2 padding=3, relu1 = relu, pool1 = maxpool 3 stride=2 ceil_mode=true, "
    "norm1 = "
    + NORM
    + ", reduce2 = conv 64 1x1, relu2r = relu, conv2 = conv 192 3x3 padding=1, relu2 = relu, norm2 = "
    + NORM
    + ", pool2 = maxpool 3 stride=2 ceil_mode=true"
)
BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels: 1x1; reduction before and 3x3; reduction before and 5x5; projection after pooling (table 1)."""

POOL = {"3b": "pool3", "4e": "pool4"}
HEAD = "pool = globalavgpool, flatten = flatten, dropout = dropout 0.4, dense = dense 1000"


def inception(name: str, source: str, shape: Shape) -> tuple[tuple[Node, ...], str, Shape]:
    """Build one Inception block: four branches that read the same maps, and their concatenation.

    Args:
        name: key in `BLOCKS`.
        source: name of the node that the block reads.
        shape: shape of its output, `(c, h, w)`.

    Returns:
        The nodes, the name of the last, and its output shape.
    """
    one, reduce3, three, reduce5, five, project = BLOCKS[name]
    prefix = f"inception{name}_"
    branches = (
        f"conv1 = conv {one} 1x1, relu1 = relu",
        f"reduce3 = conv {reduce3} 1x1, relu3r = relu, conv3 = conv {three} 3x3 padding=1, relu3 = relu",
        f"reduce5 = conv {reduce5} 1x1, relu5r = relu, conv5 = conv {five} 5x5 padding=2, relu5 = relu",
        f"pool = maxpool 3 stride=1 padding=1, project = conv {project} 1x1, relup = relu",
    )
    parts = [follow(source, shape, text, prefix) for text in branches]
    joined = Node(f"inception{name}", Concat(), tuple(last for _, last, _ in parts))
    nodes = (*(node for found, _, _ in parts for node in found), joined)
    return nodes, joined.name, (sum(out[0] for _, _, out in parts), *shape[1:])


def googlenet() -> Graph:
    """Build the graph: stem, nine blocks with pooling after 3b and 4e, global average pooling, dense."""
    nodes, last, shape = follow("input", (3, 224, 224), STEM)
    for name in BLOCKS:
        more, last, shape = inception(name, last, shape)
        nodes += more
        if name in POOL:
            more, last, shape = follow(last, shape, f"{POOL[name]} = maxpool 3 stride=2 ceil_mode=true")
            nodes += more
    more, _, _ = follow(last, shape, HEAD)
    return Graph({"input": (3, 224, 224)}, nodes + more)


GOOGLENET = ZooEntry(
    "googlenet-paper",
    googlenet,
    TensorSpec(
        (3, 224, 224),
        mean=(0.485, 0.456, 0.406),
        std=(1 / 255,) * 3,
        name="photo",
        transform=ImageTransform(crop=224 / 256),
    ),
    None,
    "GoogLeNet as published, its 5x5 windows 5x5",
    "Szegedy et al. 2014, Going Deeper with Convolutions, arXiv:1409.4842",
    "No published weights fit it here. Auxiliary heads, which only help training, are left out.",
)
