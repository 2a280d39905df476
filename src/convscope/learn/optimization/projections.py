"""Projections of weights after a step of the optimizer: a limit on norms, and norms of 1.

Weights without `requires_grad`, as frozen ones have during a step, are left as they are.
"""

import torch
from torch import Tensor, nn


def limit_norm(weight: Tensor, most: float) -> None:
    """Shorten the weights of each output to a largest L2 norm, in place.

    Args:
        weight: `[out ...]`.
        most: the largest norm.

    Source: Srivastava et al. 2014, Dropout, section 5.1.
    """
    if not weight.requires_grad:
        return
    with torch.no_grad():
        norms = torch.linalg.vector_norm(weight.flatten(1), dim=1)
        factors = (most / norms.clamp_min(1e-12)).clamp_max(1.0)
        weight.mul_(factors.view(-1, *[1] * (weight.dim() - 1)))


def convs_without_bias(module: nn.Module) -> list[nn.Conv2d]:
    """Return the convolutions whose filters `normalize_filters` scales.

    Args:
        module: module of a network.

    Returns:
        Those without a bias, as they are written where a batch normalization follows, which takes any scale
        away.
    """
    return [part for part in module.modules() if isinstance(part, nn.Conv2d) and part.bias is None]


def normalize_filters(module: nn.Module) -> None:
    """Scale the filters of each convolution without a bias to a root mean square norm of 1, in place.

    Args:
        module: module of a network.

    Source: github.com/KellerJordan/cifar10-airbench, airbench94 with Muon.
    """
    with torch.no_grad():
        for conv in convs_without_bias(module):
            norm = torch.linalg.vector_norm(conv.weight)
            if norm > 0 and conv.weight.requires_grad:
                conv.weight.mul_(len(conv.weight) ** 0.5 / norm)
