"""Choose the size of tiles for a memory budget."""

from collections.abc import Sequence
from math import ceil, prod

from convscope.errors import ConvscopeError
from convscope.nets import Net
from convscope.nets.inference.memory import free_bytes, used_bytes
from convscope.recipe import in_bytes
from convscope.see.optimize.execution import SampleRun
from convscope.see.optimize.image_params.base import pixel_image
from convscope.see.optimize.loop import OptimizerConfig
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.optimize.tiling.geometry import TileConfig

IMAGES = 10
"""Copies of the whole image beside the tiles: parameters, gradient, optimizer, transforms, what is shown."""
SAMPLE = 256
"""Side in pixels of the window whose memory is counted."""
LEAST = 32 * 32
"""Windows of fewer pixels would be all border."""
KEPT = 0.95
"""Share of a budget that is planned with; the rest is for what cannot be foreseen, like fragmentation."""
PREPARED = 64 * 2**20
"""Bytes that kernels allocate for themselves at the first step."""


def tiles_for_budget(
    net: Net,
    goal: Objective,
    size: Sequence[int],
    memory: str = "",
    *,
    batch: int = 1,
    config: OptimizerConfig | None = None,
    copies: int = IMAGES,
    used: int | None = None,
) -> TileConfig | None:
    """Return the largest tiles with which the optimisation stays within a memory budget.

    The memory of one step on a small image is counted, and taken to be proportional to the pixels.

    Args:
        net: what the tiles are run on, a copy for inference if there is one.
        goal: the objective.
        size: of the image, for each spatial axis.
        memory: the most that the process may use, as in `4GB`; half of what is free if left out.
        batch: images at once.
        config: precision and memory format.
        copies: images in float32 that are kept beside the tiles.
        used: bytes in use before the work began; now, if left out. What steps allocate is taken to be reused.

    Returns:
        Limit for the windows' pixels; None where the whole image fits.

    Raises:
        ConvscopeError: not even the smallest tile fits.
    """
    budget, used = in_bytes(memory), used_bytes(net.device) if used is None else used
    each_one = _bytes_for_each_pixel(net, goal, tuple(size), config or OptimizerConfig()) * batch
    beside = copies * 4 * batch * net.input_spec.channels * prod(size)
    room = (int(budget * KEPT) - PREPARED - used if budget else free_bytes(net.device) // 2) - beside
    most = int(room / each_one)
    if most >= prod(size):
        return None
    if most < LEAST:
        least = beside + LEAST * each_one
        needed = (least + PREPARED + used) / KEPT if budget else 2 * least
        raise ConvscopeError(
            f"memory for a picture of {' by '.join(map(str, reversed(size)))} pixels and one tile of it",
            received=f"{memory or 'what is free'}; about {ceil(needed / 1e7) / 100:.2f} GB are needed",
            hint="Give more --memory, or choose a smaller --size.",
        )
    return TileConfig(most)


def _bytes_for_each_pixel(net: Net, goal: Objective, size: tuple[int, ...], config: OptimizerConfig) -> float:
    """Return the bytes that a step takes for each pixel of an image; cached with the network."""
    key = ("bytes for each pixel", goal.resolve(net).places, config.precision, config.memory_format, SAMPLE)
    return net.cache(key, lambda: _counted(net, goal, size, config))


def _counted(net: Net, goal: Objective, size: tuple[int, ...], config: OptimizerConfig) -> float:
    """Count the bytes for each pixel on a small image."""
    least = net.input_spec.size or size
    sample = tuple(max(low, min(SAMPLE, extent)) for low, extent in zip(least, size, strict=True))
    params = pixel_image(net.input_spec, [0], size=sample, device=net.device)
    step = SampleRun(net, goal.resolve(net), params, config).bytes()
    return step / prod(sample) + 4 * net.input_spec.channels
