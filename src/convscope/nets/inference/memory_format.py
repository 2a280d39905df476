"""Channels-last memory format: the order of an image's axes in memory, which affects convolutions' speed."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convscope.errors import ConvscopeError
from convscope.nets.activations.freezing import frozen
from convscope.nets.activations.tree import tree_leaves
from convscope.nets.network import Net

CLOSE = 1e-3
"""Largest difference of outputs that counts as rounding, relative to the largest output."""
CHANNELS_LAST = "supports channels last"
"""Key under which `supports_channels_last` is cached."""


def channels_last(images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Convert images to the channels-last memory format.

    Images of one channel have the same order in memory either way; they get channels-last strides, since
    torch would take them for contiguous.

    Args:
        images: images `[b c h w]`.

    Returns:
        The same images; a view if they have one channel and are contiguous.
    """
    if images.shape[1] == 1 and images.is_contiguous():
        strides = (images.stride(0), 1, images.stride(2), images.stride(3))
        return images.as_strided(images.shape, strides, images.storage_offset())
    return images.contiguous(memory_format=torch.channels_last)


def channels_last_is_faster(net: Net) -> bool:
    """Decide whether a network is faster in the channels-last memory format, with the same outputs.

    Not measured: on CPUs it is taken to be faster wherever there is a 2-D convolution.

    Args:
        net: the network.

    Returns:
        True for networks on the CPU with one image input, a `Conv2d`, and support for the format.
    """
    if net.device.type != "cpu" or len(net.input_specs) > 1 or len(net.input_spec.shape) != 3:
        return False
    return any(isinstance(part, nn.Conv2d) for part in net.module.modules()) and supports_channels_last(net)


def supports_channels_last(net: Net, *inputs: Tensor) -> bool:
    """Check whether a network gives the same outputs for channels-last images.

    It does unless its own code relies on contiguous tensors, as `view` does. Tried with one image, and
    cached in the network.

    Args:
        net: any network.
        *inputs: what to try it with, `[b c ...]`, of which the first of the batch is used; the spec's
            example if left out, or if the network cannot take them.

    Returns:
        True if the outputs agree within `CLOSE`.
    """

    def found() -> bool:
        example = net.example()
        usual = (example,) if isinstance(example, Tensor) else tuple(example)
        try:
            return _same_outputs(net, [x[:1].detach().to(net.device) for x in inputs or usual])
        except ConvscopeError:  # a size that only its first layers take
            return _same_outputs(net, usual)

    return net.cache(CHANNELS_LAST, found)


def _same_outputs(net: Net, inputs: Sequence[Tensor]) -> bool:
    moved = [channels_last(x.clone()) if x.dim() == 4 else x.clone() for x in inputs]
    with frozen(net.module), torch.no_grad():
        plain = list(tree_leaves(net(*(x.clone(memory_format=torch.contiguous_format) for x in inputs))))
        try:
            other = tree_leaves(net(*moved))
        except Exception:  # whatever a network throws at strides that it did not expect
            return False
    if any(t.layout is not torch.strided for _, t in plain):
        return False
    pairs = zip((t for _, t in plain), (t for _, t in other), strict=True)
    return all(a.shape == b.shape and _close(a, b) for a, b in pairs)


def _close(one: Tensor, other: Tensor) -> bool:
    if not one.is_floating_point():
        return torch.equal(one, other)
    least = CLOSE * float(one.nan_to_num(0.0, 0.0, 0.0).abs().max()) if one.numel() else 0.0
    return torch.allclose(one, other, rtol=CLOSE, atol=least, equal_nan=True)
