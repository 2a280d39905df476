"""Compare objectives on synthetic images with real inputs, the starting images and uniform noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.nets import Net, takes_network
from convscope.recipe.result import Result
from convscope.see.features.batching import iter_batches
from convscope.see.features.recording import record_float32
from convscope.see.optimize.image_params.base import noise, shape_of
from convscope.see.optimize.objectives.objective import Objective
from convscope.see.visualization.visualization import Visualization, clean_scores, params_from_recipe
from convscope.worlds import DataLike, open_labelled
from convscope.worlds.dataset import LabelledDataset

NOISE_IMAGES = 32
"""Number of uniform-noise images that are averaged."""


@dataclass(frozen=True)
class Comparison(Result):
    """Values of one objective on a synthetic image and on reference images.

    All are computed on clean images, without transforms or penalties.

    Attributes:
        place: name of the target, as in `Visualization.places`.
        synthetic: value on the synthetic image.
        best: largest value over the real inputs.
        best_index: index of the real input with that value.
        mean: mean value over the real inputs.
        start: value on the image that the optimisation started from.
        noise: mean value over `NOISE_IMAGES` images of uniform noise.
        percentile: per cent (0 to 100) of the real inputs with a value below `synthetic`.
    """

    place: str
    synthetic: float
    best: float
    best_index: int
    mean: float
    start: float
    noise: float
    percentile: float


@takes_network
def compare_with_data(
    net: Net, made: Visualization, samples: DataLike, *, batch: int = 256
) -> tuple[Comparison, ...]:
    """Compare each image of a visualization with real inputs, its starting image and uniform noise.

    If the synthetic images and the samples differ in size, use objectives that take the mean over a feature
    map; sums grow with the size.

    Args:
        net: the network that the visualization was made for.
        made: the visualization; each of its images is scored by its own objective.
        samples: real inputs of the network's input shape, or the name or folder of a data set.
        batch: number of real inputs per forward pass.

    Returns:
        One comparison for each image, in the order of `made.places`.
    """
    goals = made.goals
    samples = open_labelled(samples, net.input_spec)
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


@takes_network
def real_scores(
    net: Net, goals: Sequence[Objective], samples: LabelledDataset, *, batch: int = 256
) -> Float[Tensor, "goals n"]:
    """Return the value of every objective on every sample.

    All layers that the objectives read are recorded in the same forward passes.

    Args:
        net: the network that is evaluated.
        goals: the objectives; each is applied to every sample.
        samples: `n` real inputs of the network's input shape.
        batch: number of samples per forward pass.

    Returns:
        Scores `[goals n]` in float32, on the CPU.
    """
    parts = [_all_scores(net, goals, images) for _, images in iter_batches(net, samples, batch)]
    return torch.cat(parts, 1)


@takes_network
def start_of(net: Net, made: Visualization) -> Float[Tensor, "n *shape"]:
    """Return the images that a visualization's optimisation started from.

    Images that were given as a tensor to start from are not part of the result; the recipe's own start is
    returned then.

    Args:
        net: the network that the visualization was made for.
        made: the visualization; its recipe and `starts` determine the images.

    Returns:
        Images `[n c ...]` in the spec's value range: mid-range plus noise, or mid-range for
        `start="zeros"`.
    """
    return params_from_recipe(net, made.recipe, made.starts).images().detach()


@takes_network
def uniform_noise(
    net: Net, size: tuple[int, ...] = (), count: int = NOISE_IMAGES
) -> Float[Tensor, "count *shape"]:
    """Return images with independent, uniformly distributed values.

    Image `i` is drawn with the seed `i`, so every call returns the same images.

    Args:
        net: the network whose spec sets channels and value range.
        size: spatial extent; the spec's if empty.
        count: number of images.

    Returns:
        Images `[count c ...]` in the spec's value range.
    """
    low, high = net.input_spec.value_range
    normal = noise(shape_of(net.input_spec, size), range(count))
    return low + (high - low) * 0.5 * (1 + torch.erf(normal / 2**0.5))


def _all_scores(
    net: Net, goals: Sequence[Objective], images: Float[Tensor, "b *shape"]
) -> Float[Tensor, "goals b"]:
    bound = [goal.resolve(net) for goal in goals]
    places = dict.fromkeys(place for goal in bound for place in goal.places)
    with torch.no_grad():
        found = record_float32(net, images, places)
        return torch.stack([goal(found, images.to(net.device)) for goal in bound]).cpu()
