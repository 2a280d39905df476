"""Binary images: drawn from grey ones, and the length of their code in nats."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn import functional

from convscope.nets import Net


def code_length(logits: Float[Tensor, "b ..."], binary: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
    """Compute minus the log-likelihood of binary images.

    Args:
        logits: of each pixel being 1.
        binary: the images, of 0 and 1.

    Returns:
        Nats of each image, summed over its pixels.
    """
    losses = functional.binary_cross_entropy_with_logits(logits.float(), binary, reduction="none")
    return losses.flatten(1).sum(1)


def unit_range(images: Float[Tensor, "b c h w"], net: Net) -> Float[Tensor, "b c h w"]:
    """Map the value range of a network's input to 0 to 1.

    Args:
        images: images in the spec's range.
        net: has the spec.

    Returns:
        The images, clipped to 0 and 1.
    """
    low, high = net.input_spec.value_range
    return ((images - low) / (high - low)).clamp(0, 1)


def in_value_range(images: Float[Tensor, "b c h w"], net: Net) -> Float[Tensor, "b c h w"]:
    """Map 0 to 1 to the value range of a network's input: the inverse of `unit_range`.

    Args:
        images: images from 0 to 1.
        net: has the spec.

    Returns:
        The images in the spec's range.
    """
    low, high = net.input_spec.value_range
    return images * (high - low) + low


def binarised(
    images: Float[Tensor, "b c h w"], net: Net, generator: Generator | None = None
) -> Float[Tensor, "b c h w"]:
    """Draw binary images whose probabilities are grey values.

    Args:
        images: images in the spec's range.
        net: has the spec.
        generator: draws the pixels, on the CPU; torch's global one if left out, which a training stores with
            its state.

    Returns:
        Images of 0 and 1.
    """
    grey = unit_range(images, net)
    if generator is None:
        return torch.bernoulli(grey)
    return torch.bernoulli(grey.cpu(), generator=generator).to(images)
