"""How far a style transfer is, in time: what its steps at each size take, beside each other."""

from collections.abc import Sequence

STEP_OVERHEAD = 3000
"""Pixels that take as long as what a step takes whatever the image's size: weights, correlations, L-BFGS."""
SETUP_STEPS = 2.5
"""Steps of a scale that take as long as what comes before them: the activations of painting and content."""
EXACT_COST = 2.0
"""Times that a step in float32 takes as long as one in bf16, where bf16 is what is faster."""


def share_of_time(
    sizes: Sequence[tuple[int, int]], steps: Sequence[int], exact: int, scale: int, step: int
) -> float:
    """Return the share of a run's time that has passed after a step.

    The constants were measured with hed-vgg16 at 64 to 512 px, in bf16 and in fp32.

    Args:
        sizes: height and width at each scale, from coarse to fine.
        steps: number of updates at each scale.
        exact: how many of the finest scale's updates, its last ones, are in float32 while others are in bf16.
        scale: index of the scale.
        step: number of updates at this scale so far.

    Returns:
        0 to 1; 1 after the last step of the finest scale.
    """

    def seconds(number: int, taken: int) -> float:
        height, width = sizes[number]
        last = number == len(sizes) - 1
        slow = max(0, taken - (steps[number] - exact)) if last else 0
        return (height * width + STEP_OVERHEAD) * (SETUP_STEPS + taken + (EXACT_COST - 1) * slow)

    whole = [seconds(number, count) for number, count in enumerate(steps)]
    return (sum(whole[:scale]) + seconds(scale, step)) / sum(whole)
