"""Measure a synthetic image: its objective under small changes, and the share of clipped values.

An image that activates its unit on the exact pixel grid only says little about what the unit detects. So
images are also evaluated at the size in the network's spec, shifted, rotated and scaled a little.

Source: Olah et al. 2017, "Feature Visualization", Distill, section "Transformation robustness".
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convscope.graph.spec import TensorSpec
from convscope.nets import Net, takes_network
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.transforms import warp
from convscope.see.visualization.runner import clean_scores, enlargement

VIEWS = (
    ((0.0, 0.0), 1.0, 0.0),
    ((0.03, -0.02), 1.0, 7.0),
    ((-0.03, 0.02), 1.0, -7.0),
    ((0.015, 0.025), 1.05, 0.0),
    ((-0.025, -0.015), 0.95, 4.0),
)
"""Shift as a share of each side, scale and degrees of the views of an image; the first one is unchanged.

Scales and angles lie within those of the default transforms of `visualize` (0.9 to 1.1, up to 10 degrees),
and so do the shifts for sides of up to 200 pixels (6 pixels). Images made with other transforms are measured
all the same.
"""


@takes_network
def robust_scores(
    net: Net, goals: Sequence[Objective], images: Float[Tensor, "n *shape"]
) -> Float[Tensor, " n"]:
    """Return each image's own objective, enlarged to the network's size, shifted, turned and scaled.

    Args:
        net: the network that is evaluated.
        goals: one objective for each image.
        images: `[n c ...]` in the spec's value range; smaller ones are enlarged bilinearly until they fit the
            spec's size, larger ones keep theirs.

    Returns:
        The mean over `VIEWS`, in float32, on the network's device; without spatial axes the clean score.
    """
    if images.dim() not in (3, 4):
        return clean_scores(net, goals, images)
    factor = enlargement(net.input_spec, tuple(images.shape[2:]))
    images = images.to(net.device)
    if factor > 1:
        size = [round(extent * factor) for extent in images.shape[2:]]
        mode = "bilinear" if images.dim() == 4 else "linear"
        images = F.interpolate(images, size=size, mode=mode, align_corners=False)
    found = []
    for shares, scale, degrees in VIEWS:
        shift = tuple(share * extent for share, extent in zip(shares, images.shape[2:], strict=False))
        found.append(clean_scores(net, goals, warp(images, shift, scale, degrees)))
    return torch.stack(found).mean(0)


def clipped_shares(images: Float[Tensor, "n *shape"], spec: TensorSpec) -> Float[Tensor, " n"]:
    """Return the share of each image's values that are 0 or 255 in a picture of 8 bits.

    Args:
        images: `[n c ...]` in the spec's value range.
        spec: of the images.

    Returns:
        Shares in [0, 1].
    """
    low, high = spec.value_range
    levels = ((images - low) / (high - low) * 255).round()
    return ((levels <= 0) | (levels >= 255)).float().flatten(1).mean(1)
