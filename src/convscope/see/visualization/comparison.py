"""How a synthetic picture fares against real inputs, its own random start, and noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.nets import Net
from convscope.see.features.batching import iter_batches
from convscope.see.features.recording import record_float32
from convscope.see.optimize.image_params.base import noise, shape_of
from convscope.see.optimize.objective import Objective
from convscope.see.visualization.visualization import Visualization, clean_scores, params_from_recipe
from convscope.worlds.dataset import LabelledImages

NOISES = 32
"""How many images of noise are averaged."""


@dataclass(frozen=True)
class Comparison:
    """Activations of one place, all of clean images: what was made, and what it is compared with."""

    place: str
    synthetic: float
    best: float
    """Of the real input that excites it most."""
    best_index: int
    mean: float
    """Over the real inputs."""
    start: float
    """Of what the synthetic picture started from."""
    noise: float
    """Mean over images of uniform noise."""
    percentile: float
    """Per cent of the real inputs that excite it less than the synthetic picture does."""


def compare_with_data(
    net: Net, made: Visualization, samples: LabelledImages, *, batch: int = 256
) -> tuple[Comparison, ...]:
    """Compare every picture of a visualization with the samples, its start and noise.

    Where the pictures have another size than the samples, compare means of maps, not sums.

    Args:
        net: the network that the pictures were made for.
        made: the pictures.
        samples: real inputs.
        batch: how many real inputs at once.
    """
    goals = made.goals
    real = real_scores(net, goals, samples, batch=batch)
    started = clean_scores(net, goals, start_of(net, made))
    noises = uniform_noise(net, tuple(made.images.shape[2:]))
    noisy = _all_scores(net, goals, noises).mean(1).tolist()
    lines = zip(made.places, made.clean_scores.tolist(), real, started.tolist(), noisy, strict=True)
    return tuple(
        Comparison(
            place,
            synthetic,
            float(scores.max()),
            int(scores.argmax()),
            float(scores.mean()),
            start,
            noisy_score,
            100 * float((scores < synthetic).float().mean()),
        )
        for place, synthetic, scores, start, noisy_score in lines
    )


def real_scores(
    net: Net, goals: Sequence[Objective], samples: LabelledImages, *, batch: int = 256
) -> Float[Tensor, "goals n"]:
    """What every goal gives for every sample; layers are read once for all goals."""
    parts = [_all_scores(net, goals, images) for _, images in iter_batches(net, samples, batch)]
    return torch.cat(parts, 1)


def start_of(net: Net, made: Visualization) -> Float[Tensor, "n *shape"]:
    """The noise (or the middle of the range) that a visualization's pictures started from."""
    return params_from_recipe(net, made.recipe, made.starts).images().detach()


def uniform_noise(net: Net, size: tuple[int, ...] = (), count: int = NOISES) -> Float[Tensor, "count *shape"]:
    """Images whose every value is drawn evenly from the contract's range; always the same ones."""
    low, high = net.contract.value_range
    normal = noise(shape_of(net.contract, size), range(count))
    return low + (high - low) * 0.5 * (1 + torch.erf(normal / 2**0.5))


def _all_scores(
    net: Net, goals: Sequence[Objective], images: Float[Tensor, "b *shape"]
) -> Float[Tensor, "goals b"]:
    bound = [goal.resolve(net) for goal in goals]
    places = dict.fromkeys(place for goal in bound for place in goal.places)
    with torch.no_grad():
        found = record_float32(net, images, places)
        return torch.stack([goal(found, images.to(net.device)) for goal in bound]).cpu()
