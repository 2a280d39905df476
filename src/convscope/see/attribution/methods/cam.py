"""Class activation maps: weighted sums of one layer's feature maps, at the input's size.

The autograd graph begins at that layer: nothing before it requires a gradient.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from typing_extensions import override

from convscope.errors import PlaceError, UsageError
from convscope.nets import LayerAddress, Net, layer_shapes, resolve
from convscope.nets.activations.address import RESULT
from convscope.nets.activations.axes import units_first
from convscope.nets.activations.recording import last_axes
from convscope.see.attribution.gradients.arrival import (
    depends,
    differentiated,
    missing,
    rows_without_gradient,
)
from convscope.see.attribution.gradients.passes import ordinary
from convscope.see.attribution.heatmaps import interpolate
from convscope.see.attribution.method import Method, PartialAttribution
from convscope.see.attribution.methods.cam_layers import (
    Activated,
    activated,
    last_spatial_layer,
    start_graph_at,
)
from convscope.see.attribution.target import AttributionTask
from convscope.see.features.recording import HALVES


class Cam(Method):
    """Base class of class activation maps: a setting for the layer whose feature maps are weighted."""

    signed = False
    layer: str = Field("", description="whose maps; the last with positions to tell apart if left out")

    def place(self, task: AttributionTask) -> LayerAddress:
        """Return the address of the layer whose feature maps are weighted.

        Args:
            task: the task: network, inputs and targets.

        Returns:
            The layer named in the settings, else the last one with spatial maps before the target.

        Raises:
            PlaceError: the named layer does not exist, or has no maps.
            UsageError: no layer before the target has maps.
        """
        return resolve_cam_layer(task, self.layer)


class GradientCam(Cam):
    """Base class of class activation maps whose weights come from the target's gradient at the layer."""

    @override
    def attributions(self, task: AttributionTask) -> Iterator[PartialAttribution]:
        """Yield the weighted sum of feature maps, interpolated to the input's size."""
        place = self.place(task)
        found = []
        for first in range(0, len(task), task.batch):
            rows = list(range(first, min(first + task.batch, len(task))))
            found.append(self.weigh_maps(*layer_gradient(task, place, rows)))
        cam = torch.cat(found)
        yield PartialAttribution(upsample_to_inputs(task, cam), layer=place, cam=cam)

    @abstractmethod
    def weigh_maps(
        self, maps: Float[Tensor, "b k *size"], gradient: Float[Tensor, "b k *size"]
    ) -> Float[Tensor, "b 1 *size"]:
        """Combine a layer's feature maps and the target's gradient there into one map.

        Args:
            maps: `[b k *size]`.
            gradient: `[b k *size]`.

        Returns:
            `[b 1 *size]`, not negative.
        """


def resolve_cam_layer(task: AttributionTask, text: str = "") -> LayerAddress:
    """Resolve the layer for a class activation map.

    Args:
        task: the task: network, inputs and targets.
        text: an address (`layer4`, `conv#2`), or an activation function after a layer (`c2+relu`). Empty for
            the last layer before the target that has spatial maps.

    Returns:
        The address, checked against the network.

    Raises:
        PlaceError: the address does not exist, or its units have no maps.
        UsageError: no layer before the target has maps.
    """
    inputs = tuple(x[:1] for x in task.inputs)
    if not text:
        return last_spatial_layer(task)
    place = activated(task.net, text)
    if place is not None:
        resolve(task.net, LayerAddress(place.layer, place.call), *inputs)
        return place
    place = resolve(task.net, LayerAddress.parse(text).layer_only, *inputs)
    if place.layer == RESULT or len(_shape(task.net, inputs, place)) < 2:
        raise PlaceError(
            "a layer inside the network whose units have maps",
            received=text,
            hint="Choose a layer whose output has height and width: convscope describe NETWORK lists them.",
        )
    return place


def _shape(net: Net, inputs: tuple[Tensor, ...], place: LayerAddress) -> tuple[int, ...]:
    """Return the shape of a layer's output, channels first, without batch axis."""
    parts = layer_shapes(net, *inputs)[place.layer][(place.call or 0) - 1]
    return next(iter(parts.values())) if place.key is None else parts[place.key]


def layer_gradient(
    task: AttributionTask, place: LayerAddress, rows: list[int]
) -> tuple[Float[Tensor, "b k *size"], Float[Tensor, "b k *size"]]:
    """Compute a layer's feature maps, and the gradient of each row's target there.

    Args:
        task: the task: network, inputs and targets.
        place: the layer.
        rows: row indices, one for each image of the batch.

    Returns:
        Maps and gradients, `[b k *size]` each, detached.

    Raises:
        UsageError: the target does not depend on the layer, or no gradient arrives there.
        PlaceError: the layer does not have one activation for each row.
    """
    inputs = task.repeated(rows)
    with ordinary(), torch.enable_grad(), start_graph_at(task, place) as made:
        scores = task.scores(inputs, rows)
        if not made:
            raise _unconnected(task, place, rows[0])
        (gradient,) = differentiated(scores, made[:1], task.target_names[rows[0]])
    maps = made[0].detach()
    _check_rows(task, place, maps, rows)
    gradient = torch.zeros_like(maps) if gradient is None else gradient
    for at in rows_without_gradient(gradient):
        _check_arrival(task, place, maps[at : at + 1], rows[at], everywhere=not scores.requires_grad)
    return mapped(task, place, maps), mapped(task, place, gradient)


def seen_maps(task: AttributionTask, place: LayerAddress) -> Float[Tensor, "b k *size"]:
    """Record a layer's feature maps for every row, in batches, without gradients.

    Args:
        task: the task: network, inputs and targets.
        place: the layer.

    Returns:
        `[b k *size]`.

    Raises:
        UsageError: the layer does not run before the target is computed.
        PlaceError: the layer does not have one activation for each row.
    """
    found = []
    for first in range(0, len(task), task.batch):
        rows = list(range(first, min(first + task.batch, len(task))))
        with start_graph_at(task, place) as made, torch.no_grad():
            task.scores(task.repeated(rows), rows)
        if not made:
            raise _unconnected(task, place, rows[0])
        _check_rows(task, place, made[0], rows)
        found.append(mapped(task, place, made[0].detach()))
    return torch.cat(found)


def mapped(task: AttributionTask, place: LayerAddress, maps: Tensor) -> Float[Tensor, "b k *size"]:
    """Move the channel axis of a layer's output to the front.

    Args:
        task: the task: network, inputs and targets.
        place: the layer.
        maps: its output, with channels wherever the layer has them.

    Returns:
        `[b k *size]`, in float32 or better.
    """
    if isinstance(place, Activated):
        spots = [spot for spot in last_axes(task.net) if spot[0] == place.layer]
        turned = bool(spots) and tuple(maps.shape[1:]) == _raw(task, place)
        maps = maps.movedim(-1, 1) if turned else maps
    else:
        spot = (place.layer, place.call or len(layer_shapes(task.net)[place.layer]), place.key or "")
        maps = units_first(maps, spot, last_axes(task.net))
    return maps.float() if maps.dtype in HALVES else maps


def _raw(task: AttributionTask, place: LayerAddress) -> tuple[int, ...]:
    """Return the shape of a layer's output with its channels last, without batch axis."""
    units, *size = _shape(task.net, tuple(x[:1] for x in task.inputs), LayerAddress(place.layer, place.call))
    return (*size, units)


def _check_rows(task: AttributionTask, place: LayerAddress, maps: Tensor, rows: list[int]) -> None:
    """Refuse layers that fold parts of an image into the batch axis."""
    if len(maps) != len(rows):
        raise PlaceError(
            f"a layer with one activation for each image: {len(rows)}",
            received=f"{len(maps)} from {place}, which mixes parts of an image with the batch",
            hint="Choose the block around it, or a layer before or after it.",
        )


def _unconnected(task: AttributionTask, place: LayerAddress, row: int) -> UsageError:
    """Return the error for a layer that the target does not depend on."""
    return UsageError(
        f"a layer that {task.target_names[row]} depends on",
        received=str(place),
        hint="Choose a layer before the target.",
    )


def _check_arrival(
    task: AttributionTask, place: LayerAddress, maps: Tensor, row: int, *, everywhere: bool
) -> None:
    """Refuse a row whose gradient at the feature maps is 0 because none arrives.

    Args:
        task: the task: network, inputs and targets.
        place: the layer.
        maps: its output for this row, `[1 ...]`.
        row: the row's index.
        everywhere: test also whether the target depends on the layer at all.

    Raises:
        UsageError: the target does not depend on the layer, or not by operations with gradients.
    """
    inputs = task.repeated([row])

    def run(value: Tensor) -> Tensor:
        with start_graph_at(task, place, value):
            return task.scores(inputs, [row])

    generator = torch.Generator().manual_seed(0)
    size = float(maps.abs().max()) or 1.0
    draws = [torch.randn(maps.shape, generator=generator, dtype=torch.float64) for _ in range(3)]
    others = [torch.zeros_like(maps), *((size * draw).to(maps) for draw in draws)]
    with ordinary():
        if everywhere and not depends(run, run(maps).detach(), others):
            raise _unconnected(task, place, row)
        reason = missing(run, maps, others)
    if reason:
        raise UsageError(
            f"a gradient of {task.target_names[row]} at {place}",
            received=f"no gradient arrives at {place}: {reason}",
            hint="Use a method that needs no gradients (scorecam, occlusion, rise), or a layer after that.",
        )


def upsample_to_inputs(task: AttributionTask, maps: Float[Tensor, "b 1 *size"]) -> tuple[Tensor, ...]:
    """Interpolate maps to the spatial size of each input with as many axes.

    Where no input has as many, the first axis is averaged: that of frequency in maps of a spectrogram, whose
    second one is the time of a waveform.

    Args:
        task: the task: network, inputs and targets.
        maps: `[b 1 *size]`.

    Returns:
        One tensor for each input: `[b 1 *size]` at its size; zeros in its own shape if it has other axes.

    Raises:
        UsageError: no input has as many axes as the maps.
    """
    if maps.dim() == 4 and {x.dim() for x in task.inputs} == {3}:
        maps = maps.mean(2)
    axes = maps.dim()
    if not any(x.dim() == axes for x in task.inputs):
        raise UsageError(
            "a layer whose maps have as many axes as an input",
            received=f"maps of {axes - 2} axes",
            hint="Choose another layer, or a method that works on the input itself: integrated, occlusion.",
        )
    return tuple(
        interpolate(maps, tuple(x.shape[2:])) if x.dim() == axes else torch.zeros(x.shape, device=x.device)
        for x in task.inputs
    )


def weighted_relu_sum(
    maps: Float[Tensor, "b k *size"], weights: Float[Tensor, "b k"]
) -> Float[Tensor, "b 1 *size"]:
    """Sum feature maps times their weights, and clip negative values to 0.

    Args:
        maps: `[b k *size]`.
        weights: `[b k]`.

    Returns:
        `[b 1 *size]`, not negative.
    """
    return torch.einsum("bk...,bk->b...", maps, weights).clamp_min(0)[:, None]


class GradCam(GradientCam):
    """A layer's feature maps, weighted by the mean gradient of the target over each."""

    name: str = "gradcam"
    title: ClassVar[str] = "Grad-CAM"
    source: ClassVar[str] = "Selvaraju et al. 2017, arXiv:1610.02391, §3"

    @override
    def weigh_maps(
        self, maps: Float[Tensor, "b k *size"], gradient: Float[Tensor, "b k *size"]
    ) -> Float[Tensor, "b 1 *size"]:
        """Return the ReLU of the sum of maps, weighted by each map's mean gradient."""
        return weighted_relu_sum(maps, gradient.flatten(2).mean(2))


TINY = 1e-6
"""Keeps quotients finite; the value of the package pytorch-grad-cam."""


class GradCamPlusPlus(GradientCam):
    """A layer's feature maps, weighted by positive gradients, each times a ratio of higher derivatives."""

    name: str = "gradcam++"
    title: ClassVar[str] = "Grad-CAM++"
    source: ClassVar[str] = "Chattopadhay et al. 2018, arXiv:1710.11063, equations 10, 19"

    @override
    def weigh_maps(
        self, maps: Float[Tensor, "b k *size"], gradient: Float[Tensor, "b k *size"]
    ) -> Float[Tensor, "b 1 *size"]:
        """Return the ReLU of the sum of maps, with the weights of equations 10 and 19."""
        maps_, slope = maps.flatten(2), gradient.flatten(2)
        square = slope.square()
        share = square / (2 * square + maps_.sum(2, keepdim=True) * square * slope + TINY)
        share = torch.where(slope != 0, share, torch.zeros_like(share))
        return weighted_relu_sum(maps, (slope.clamp_min(0) * share).sum(2))


class LayerCam(GradientCam):
    """A layer's feature maps, each position weighted by its own positive gradient; sharp in early layers."""

    name: str = "layercam"
    title: ClassVar[str] = "Layer-CAM"
    source: ClassVar[str] = "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943, equation 6"

    @override
    def weigh_maps(
        self, maps: Float[Tensor, "b k *size"], gradient: Float[Tensor, "b k *size"]
    ) -> Float[Tensor, "b 1 *size"]:
        """Return the ReLU of the sum of maps times positive gradients."""
        return (maps * gradient.clamp_min(0)).sum(1, keepdim=True).clamp_min(0)
