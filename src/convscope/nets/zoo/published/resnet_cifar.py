"""ResNet-20 for images of 32x32 pixels, as published for CIFAR-10: 269,722 parameters.

Source: He, Zhang, Ren and Sun 2015, Deep Residual Learning for Image Recognition, section 4.2,
arXiv:1512.03385. Shortcuts have no parameters (option A). ResNets of torchvision and timm are those for
ImageNet, with a 7x7 kernel and pooling at their beginning.
"""

from convscope.graph.graph import Graph, Node
from convscope.graph.layers.merge import Add
from convscope.graph.spec import Shape, TensorSpec
from convscope.nets.zoo.entry import ZooEntry
from convscope.nets.zoo.published.parts import follow

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
WIDTHS = (16, 32, 64)
"""Channels of the three stages, which work at 32x32, 16x16 and 8x8."""
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Mean and standard deviation of the colours of CIFAR-10's training images, in [0, 1]."""


def block(name: str, source: str, shape: Shape, channels: int) -> tuple[tuple[Node, ...], str, Shape]:
    """Build one residual block of two 3x3 convolutions.

    Args:
        name: prefix of its nodes.
        source: name of the node that the block reads.
        shape: shape of its output, `(c, h, w)`.
        channels: channels of the block's output; where that are more, its first convolution has stride 2.

    Returns:
        The nodes, the name of the last, and its output shape.
    """
    stride, prefix = 1 if channels == shape[0] else 2, f"{name}_"
    path, last, out = follow(
        source,
        shape,
        f"conv1 = conv {channels} 3x3 stride={stride} padding=1 bias=false, bn1 = batchnorm2d, relu1 = relu, "
        f"conv2 = conv {channels} 3x3 padding=1 bias=false, bn2 = batchnorm2d",
        prefix,
    )
    beside: tuple[Node, ...] = ()
    if channels != shape[0]:
        text = f"shortcut = shortcut {channels - shape[0]} stride={stride}"
        beside, source, _ = follow(source, shape, text, prefix)
    joined = Node(f"{prefix}add", Add(), (last, source))
    after, last, out = follow(joined.name, out, "relu2 = relu", prefix)
    return (*path, *beside, joined, *after), last, out


def resnet_cifar(blocks: int) -> Graph:
    """Build a ResNet of `6 * blocks + 2` layers with weights.

    Args:
        blocks: residual blocks in each of the three stages; 3 for ResNet-20.

    Returns:
        The graph, for images of 3x32x32 and ten classes.
    """
    nodes, last, shape = follow(
        "input", (3, 32, 32), "conv1 = conv 16 3x3 padding=1 bias=false, bn1 = batchnorm2d, relu1 = relu"
    )
    for stage, channels in enumerate(WIDTHS, start=1):
        for number in range(blocks):
            more, last, shape = block(f"stage{stage}_{number}", last, shape, channels)
            nodes += more
    more, _, _ = follow(last, shape, "pool = globalavgpool, flatten = flatten, dense = dense 10")
    return Graph({"input": (3, 32, 32)}, nodes + more)


def resnet20() -> Graph:
    """Build ResNet-20: three blocks in each stage."""
    return resnet_cifar(3)


RESNET20 = ZooEntry(
    "resnet20",
    resnet20,
    TensorSpec((3, 32, 32), mean=MEAN, std=STD),
    CLASSES,
    "ResNet-20 for images of 32x32 pixels",
    "He et al. 2015, Deep Residual Learning for Image Recognition, section 4.2, arXiv:1512.03385",
    "269,722 parameters. The paper subtracts a mean image; here it is CIFAR-10's mean colour. Initial "
    "weights are torch's, not the paper's.",
)
