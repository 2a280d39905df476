"""Entry of NASNet-A mobile; its module is in `nasnet_mobile`, as it needs torch."""

from typing import TYPE_CHECKING

from convscope.graph.spec import ImageTransform, TensorSpec
from convscope.nets.zoo.entry import ZooEntry

if TYPE_CHECKING:
    from torch import nn


def nasnet_mobile() -> "nn.Module":
    """Build the network with fresh weights: 5,289,978 parameters."""
    from convscope.nets.zoo.published.nasnet_mobile import NASNetAMobile

    return NASNetAMobile()


NASNET_MOBILE = ZooEntry(
    "nasnet-mobile",
    None,
    TensorSpec(
        (3, 224, 224), mean=(0.5,) * 3, std=(0.5,) * 3, name="photo", transform=ImageTransform(crop=0.875)
    ),
    None,
    "NASNet-A with 4 cells a row and 1,056 channels, of the lecture's table",
    "Zoph et al. 2018, Learning Transferable Architectures for Scalable Image Recognition, arXiv:1707.07012",
    "No published weights fit it here.",
    module=nasnet_mobile,
)
