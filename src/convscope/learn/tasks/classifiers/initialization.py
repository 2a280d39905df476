"""Initialisation of convolutions: one that whitens the patches of the training images, others as identities.

Source: for whitening Coates, Ng and Lee 2011, An analysis of single-layer networks in unsupervised feature
learning, section 3.1; as a convolution Page 2019, How to train your ResNet 8: bag of tricks. For identities
Zagoruyko and Komodakis 2017, DiracNets, arXiv:1706.00388. For both Jordan 2024, arXiv:2404.00498, sections
3.2 and 3.3.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convscope.errors import UsageError
from convscope.learn.batches.source import iter_batches
from convscope.nets import Net, frozen
from convscope.worlds import LabelledImages

IMAGES = 5000
"""Most training images whose patches are measured."""
EPSILON = 5e-4
"""Share of the patches' mean variance that is added to each, so that directions without any are not amplified
without limit; as in the source, whose images have variance 1."""


def dirac_init(net: Net) -> list[str]:
    """Set convolutions to the identity of their channels, as far as their filters go (`nn.init.dirac_`).

    Of a convolution with as many filters as channels, or more, the first filters return each channel as it
    is; further ones keep their random weights. So what a network sees reaches its last layers from the
    first step on.

    Args:
        net: its convolutions are changed in place; those with fewer filters than channels, or with groups,
            stay as they are.

    Returns:
        Paths of the convolutions that were changed.

    Raises:
        UsageError: there is none.
    """
    convs = [
        (path, part)
        for path, part in net.module.named_modules()
        if isinstance(part, nn.Conv2d) and part.groups == 1 and part.out_channels >= part.in_channels
    ]
    if not convs:
        raise UsageError(
            "a convolution with as many filters as channels, or more, which can be an identity",
            received=f"{net.name}, which has none",
            hint="Leave out dirac_init.",
        )
    for _, conv in convs:
        nn.init.dirac_(conv.weight.data[: conv.in_channels])
    return [path for path, _ in convs]


def whiten_first_conv(net: Net, data: Any, seed: int = 0) -> str:
    """Set the first convolution of a network to one that whitens the patches of training images.

    Its filters are the eigenvectors of the patches' covariance, each divided by its standard deviation, the
    largest variance first; further ones are their negatives, so that a rectifier after it loses nothing. The
    bias takes the mean away. All is measured on inputs as the network gets them.

    Args:
        net: its first convolution is changed in place.
        data: labelled images.
        seed: decides which `IMAGES` of them are measured.

    Returns:
        Path of the convolution.

    Raises:
        UsageError: the data is something else, or no convolution reads all channels of the input with as
            many filters as its patches have values, or twice as many.
    """
    if not isinstance(data, LabelledImages):
        raise UsageError(
            "labelled images, whose patches are whitened",
            received=getattr(data, "name", type(data).__name__),
            hint="Leave out whiten_first_conv.",
        )
    path, conv = _first_conv(net)
    generator = torch.Generator().manual_seed(seed)
    mean, covariance = _patch_moments(
        net, conv, data.take(torch.randperm(len(data), generator=generator)[:IMAGES])
    )
    variances, vectors = torch.linalg.eigh(covariance)
    least = EPSILON * variances.clamp_min(0).mean().clamp_min(torch.finfo(variances.dtype).tiny)
    filters = (vectors / (variances.clamp_min(0) + least).sqrt()).T.flip(0)
    filters = torch.cat((filters, -filters))[: conv.out_channels]
    with torch.no_grad():
        conv.weight.copy_(filters.view_as(conv.weight))
        if conv.bias is not None:
            conv.bias.copy_(-filters @ mean)
    return path


def _first_conv(net: Net) -> tuple[str, nn.Conv2d]:
    """Find the first convolution, and check that its filters can whiten."""
    convs = ((path, part) for path, part in net.module.named_modules() if isinstance(part, nn.Conv2d))
    path, conv = next(convs, ("", None))
    if conv is None:
        received = f"{net.name}, which has none"
    elif conv.groups != 1 or conv.dilation != (1, 1) or not _reads_input(net, conv):
        received = f"{path}, which reads something else"
    else:
        values = conv.weight[0].numel()
        if conv.out_channels in (values, 2 * values):
            return path, conv
        received = f"{path} with {conv.out_channels} filters for patches of {values} values"
    raise UsageError(
        "a first convolution of the images with as many filters as a patch has values, or twice as many",
        received=received,
        hint='For 2x2 patches of three channels: "conv 24 2x2, ...". Or leave out whiten_first_conv.',
    )


def _reads_input(net: Net, conv: nn.Conv2d) -> bool:
    """Whether a convolution is given the network's input as it is."""
    given: list[Tensor] = []
    handle = conv.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0]))
    random = torch.rand(net.example().shape, generator=torch.Generator().manual_seed(0))
    (ready,) = net.normalise(random)
    try:
        with torch.no_grad(), frozen(net.module):
            net.module(ready)
    finally:
        handle.remove()
    return len(given) == 1 and torch.equal(given[0], ready)


def _patch_moments(net: Net, conv: nn.Conv2d, data: LabelledImages) -> tuple[Tensor, Tensor]:
    """Measure mean `[v]` and covariance `[v v]` of all patches that fit into the images, v values each."""
    size, values = (conv.kernel_size[0], conv.kernel_size[1]), conv.weight[0].numel()
    total, count = torch.zeros(values, dtype=torch.float64), 0
    products = torch.zeros(values, values, dtype=torch.float64)
    for batch in iter_batches(data, net):
        (ready,) = net.normalise(*batch.inputs)
        patches = functional.unfold(ready, size).transpose(1, 2).flatten(0, 1).cpu().double()
        total, products, count = total + patches.sum(0), products + patches.T @ patches, count + len(patches)
    mean = total / count
    return mean.to(conv.weight), (products / count - torch.outer(mean, mean)).to(conv.weight)
