"""Model parameter randomisation: whether a heatmap changes when the network's weights become random."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convscope.errors import UsageError
from convscope.nets import Net, frozen, layer_shapes
from convscope.see.attribution.heatmaps import per_position, rank_correlation
from convscope.see.attribution.method import Method
from convscope.see.attribution.target import AttributionTask
from convscope.system.progress import last_item

STAGES = 4
"""Number of steps at most: the last layer, a third of all layers, two thirds, all."""
FADED = 0.5
"""Largest rank correlation of a faded heatmap; unrelated smooth heatmaps reach 0.3 by chance."""


@dataclass(frozen=True)
class WeightRandomization:
    """Similarity of one row's heatmaps before and after randomisation.

    `layers` has the number of randomised layers at each step, `correlations` the rank correlation of
    absolute heat.
    """

    layers: tuple[int, ...]
    correlations: tuple[float, ...]

    @property
    def fades(self) -> bool:
        """Whether little similarity is left once all layers are random, as it should be."""
        return abs(self.correlations[-1]) < FADED


def randomization_passes(
    task: AttributionTask, method: Method, heats: Sequence[Tensor]
) -> Iterator[tuple[float, tuple[WeightRandomization, ...]]]:
    """Compute each row's heatmap again while more and more layers, from the output down, have random weights.

    The method's reduced variant is used. The network's own weights are set aside, never written to. A step
    at which the method refuses the randomised network counts as heat of 0.

    Source: Adebayo et al. 2018, arXiv:1810.03292, §3.1 (cascading randomisation).

    Args:
        task: the task: network, inputs and targets.
        method: the method to run again.
        heats: its heatmaps with the trained weights, `[b *size]` for each input of the network.

    Yields:
        The finished share, and the correlations so far of each row. Nothing for networks without weights.
    """
    light = method.reduced()
    before = heats if light == method else _heats(task, light)
    layers = layers_with_weights(task.net, task)
    count = len(layers)
    if not count:
        return
    numbers = sorted({max(1, round(count * k / (STAGES - 1))) for k in range(STAGES)})
    found: list[list[float]] = [[] for _ in range(len(task))]
    for stage, number in enumerate(numbers):
        with randomized_weights(layers[count - number :]):
            try:
                after = _heats(task, light)
            except UsageError:  # with such weights the network takes another way
                after = tuple(torch.zeros_like(heat) for heat in before)
        for row in range(len(task)):
            found[row].append(rank_correlation(_row(before, row), _row(after, row)))
        done = tuple(WeightRandomization(tuple(numbers[: stage + 1]), tuple(values)) for values in found)
        yield (stage + 1) / len(numbers), done


def layers_with_weights(net: Net, task: AttributionTask) -> list[nn.Module]:
    """List the modules with parameters of their own, in the order in which they run.

    Args:
        net: the network.
        task: a task of this network, whose first row is run.

    Returns:
        The modules, each once. Parameters of the network's own module count as its last layer.
    """
    names = layer_shapes(net, *(x[:1] for x in task.inputs))
    modules = dict(net.module.named_modules())
    running = [modules[name] for name in names if name in modules] + [net.module]
    return [m for m in dict.fromkeys(running) if any(True for _ in m.parameters(recurse=False))]


@contextmanager
def randomized_weights(modules: Sequence[nn.Module], seed: int = 0) -> Iterator[None]:
    """Give modules random weights inside the context.

    Tensors with two axes or more are drawn from a normal distribution with their own mean and standard
    deviation. Vectors are shuffled, those of equal length in one module alike, so that scale, shift and
    statistics of one channel stay together. The tensors' data is exchanged, not written to.

    Args:
        modules: whose own parameters and buffers are randomised.
        seed: of the draws.

    Yields:
        Nothing; the weights are restored when the context is left.
    """
    generator = torch.Generator().manual_seed(seed)
    aside: list[tuple[Tensor, Tensor]] = []
    try:
        for module in modules:
            shuffles: dict[int, Tensor] = {}
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                if tensor.is_floating_point() and not any(tensor is known for known, _ in aside):
                    aside.append((tensor, tensor.data))
                    tensor.data = _random(tensor.data, generator, shuffles)
        yield
    finally:
        for tensor, data in aside:
            tensor.data = data


def _random(data: Tensor, generator: torch.Generator, shuffles: dict[int, Tensor]) -> Tensor:
    """Return a random replacement of one tensor; scalars are copied."""
    if data.dim() < 2:
        if data.dim() == 0:
            return data.clone()
        shuffle = shuffles.setdefault(len(data), torch.randperm(len(data), generator=generator))
        return data[shuffle.to(data.device)]
    values = data.float()
    drawn = torch.randn(data.shape, generator=generator).to(data.device)
    return (values.mean() + drawn * values.std()).to(data.dtype)


def _heats(task: AttributionTask, method: Method) -> tuple[Tensor, ...]:
    """Run the method with frozen weights, and return its heatmaps."""
    with frozen(task.net.module):
        part = last_item(method.attributions(task), method.title)
    return tuple(per_position(a.detach(), strongest=method.channel_max) for a in part.attributions)


def _row(heats: Sequence[Tensor], row: int) -> Tensor:
    """Return the absolute heat of one row in one vector, without NaN."""
    return torch.cat([heat[row].flatten().float() for heat in heats]).nan_to_num(0).abs()
