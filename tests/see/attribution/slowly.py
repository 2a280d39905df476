"""Slow, plain versions of every method: autograd by hand, captum, one changed input at a time."""

from collections.abc import Callable
from itertools import product

import captum.attr as captum
import numpy as np
import torch
from captum.attr._utils import lrp_rules
from torch import Tensor, nn

Score = Callable[[Tensor], Tensor]
"""The target's value `[1]` for one image `[1 ...]`."""


def gradient(score: Score, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    return torch.autograd.grad(score(leaf).sum(), leaf)[0]


def each(images: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    return torch.cat([make(image[None]) for image in images])


def integrated(score: Score, x: Tensor, steps: int) -> Tensor:
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    found = sum(w / 2 * gradient(score, (1 + n) / 2 * x) for n, w in zip(nodes, weights, strict=True))
    return found * x


def occluded(score: Score, x: Tensor, window: int) -> Tensor:
    """With windows half overlapping, of which the last end at the edge or beyond."""
    stride, size = window // 2, x.shape[2:] if x.dim() > 2 else x.shape[1:]
    if x.dim() == 2:
        window = stride = 1
    loss, times = torch.zeros_like(x), torch.zeros_like(x)
    starts = [range(0, -(-(extent - window) // stride) * stride + 1, stride) for extent in size]
    for corner in product(*starts):
        box = (..., *(slice(at, at + window) for at in corner))
        covered = x.clone()
        covered[box] = 0
        loss[box] += (score(x) - score(covered)).detach()
        times[box] += 1
    return loss / times


def masked_mean(degree: Score, x: Tensor, masks: Tensor, kept: float) -> Tensor:
    """RISE: what masks give on average, weighed by what is seen behind them, less the mean of that."""
    with torch.no_grad():
        seen = torch.stack([degree(x * mask).reshape(()) for mask in masks.to(x)])
    weighed = sum(value * mask for value, mask in zip(seen, masks.to(x), strict=True))
    heat = weighed / (len(masks) * kept) - seen.mean()
    return heat[None] if x.dim() == 2 else heat[None, None]


def stretched(maps: Tensor, x: Tensor) -> Tensor:
    return nn.functional.interpolate(maps, x.shape[2:], mode="bilinear")


def cam(name: str, front: nn.Module, score_of_maps: Score, x: Tensor) -> Tensor:
    """Class activation maps by the formulas of their papers."""
    maps = front(x).detach()
    slope = gradient(score_of_maps, maps)
    if name == "gradcam":
        heat = (maps * slope.mean((2, 3), keepdim=True)).sum(1, keepdim=True)
    elif name == "layercam":
        heat = (maps * slope.relu()).sum(1, keepdim=True)
    else:
        share = slope**2 / (2 * slope**2 + maps.sum((2, 3), keepdim=True) * slope**3 + 1e-6)
        heat = (maps * (share * slope.relu()).sum((2, 3), keepdim=True)).sum(1, keepdim=True)
    return stretched(heat.relu(), x)


def score_cam(front: nn.Module, score: Score, x: Tensor) -> Tensor:
    maps = front(x).detach()
    weights = []
    for unit in range(maps.shape[1]):
        large = stretched(maps[:, unit : unit + 1], x)
        mask = (large - large.min()) / (large.max() - large.min() + 1e-8)
        weights.append(score(x * mask).detach().reshape(()))
    shares = torch.stack(weights).softmax(0).view(1, -1, 1, 1)
    return stretched((maps * shares).sum(1, keepdim=True).relu(), x)


def rectified(kind: type, core: nn.Sequential, x: Tensor, target: int) -> Tensor:
    return kind(core).attribute(x.clone().requires_grad_(), target)


def relevance(core: nn.Sequential, x: Tensor, target: int) -> Tensor:
    """Captum's: epsilon for dense layers, alpha 1 beta 0 (z-plus) for convolutions without biases."""
    for part in core:
        if isinstance(part, nn.Conv2d):
            part.rule = lrp_rules.Alpha1_Beta0_Rule(set_bias_to_zero=True)
        elif isinstance(part, nn.Linear):
            part.rule = lrp_rules.EpsilonRule(1e-6)
        elif isinstance(part, nn.Flatten):
            part.rule = lrp_rules.EpsilonRule(1e-9)
    return captum.LRP(core).attribute(x.clone().requires_grad_(), target)
