"""Activations and feature maps of one input, layer by layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import DataError
from convscope.nets import LayerAddress, Net, layer_shapes, record, takes_network
from convscope.nets.activations.address import RESULT
from convscope.recipe.result import Result
from convscope.see.optimize.gradient_flow import require_finite
from convscope.see.visualization.recipe import LookRecipe
from convscope.worlds import InputLike, name_of, open_inputs


@takes_network
def activations(
    net: Net, image: InputLike | Sequence[InputLike], places: Sequence[str | LayerAddress]
) -> dict[str, Tensor]:
    """Record the activation at each place, without gradients.

    Args:
        net: any network, or its name.
        image: one or more inputs, as `worlds.open_inputs` takes them: paths, opened images, arrays, tensors;
            for a network with several inputs one of these for each.
        places: layers or units; a unit or a position selects that part of the layer's activation.

    Returns:
        Activation by the place's text: `[b c ...]` for a layer, without the axes that the place selects from.

    Raises:
        PlaceError: a place is not in this network.
    """
    with torch.no_grad():
        found = record(net, open_inputs(image, net.input_specs), places)
    return {str(place): activation for place, activation in found.items()}


def activation_sum(maps: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b"]:
    """Return the sum over each feature map, the lecture's degree of activation: a^k = sum_ij a_ij^k.

    Args:
        maps: feature maps with any leading axes, `[... h w]`.

    Returns:
        One number for each map, in the shape of the leading axes.
    """
    return maps.sum((-2, -1))


BORDER = 14
"""Positions along the shorter side of a map for each that is left out at its edges where units are ranked."""
ALIKE = 0.95
"""Correlation of two units' maps above which the weaker one is not shown: it would show the same again."""


@dataclass(frozen=True, eq=False)
class FeatureMaps(Result):
    """The feature maps of one layer for one input; one value for each unit where a layer has no spatial axes.

    Attributes:
        place: the layer, as text.
        maps: `[c h w]`, `[c w]` or `[c]`, units first.
        names: names of the units, for an output that has them; else empty.
        recipe: the settings with which the terminal shows them.
    """

    place: str
    maps: Float[Tensor, "c *size"]
    names: tuple[str, ...] = ()
    recipe: LookRecipe | None = None

    @property
    def degrees(self) -> Float[Tensor, " c"]:
        """Sum over the map of each unit, or its value (the lecture's degree of activation)."""
        return self.maps.flatten(1).sum(1) if self.maps.dim() > 1 else self.maps

    @property
    def zero_maps(self) -> int:
        """Number of units whose map is 0 everywhere."""
        return int((self.maps.reshape(len(self.maps), -1) == 0).all(1).sum())

    @property
    def has_maps(self) -> bool:
        """Whether a unit has more than one value."""
        return self.maps.dim() > 1 and self.maps[0].numel() > 1

    @property
    def strengths(self) -> Float[Tensor, " c"]:
        """Standard deviation inside the map's border of each unit, or its value where it has only one.

        A sum over the map ranks a unit with a constant offset above one that tells parts of the input apart.
        The border is left out, a fourteenth of the shorter side at each edge (none of 13 positions or fewer):
        a unit that only responds to padding has the same frame for every input.
        """
        if not self.has_maps:
            return self.maps.flatten()
        return self.inside.flatten(1).float().std(1, correction=0)

    @property
    def deviations(self) -> Float[Tensor, " c"]:
        """Standard deviation over the whole map of each unit; 0 where it has only one value."""
        return self.maps.reshape(len(self.maps), -1).float().std(1, correction=0)

    @property
    def inside(self) -> Float[Tensor, "c *size"]:
        """The maps without their border, see `strengths`; all of them where a map has not two axes."""
        if self.maps.dim() != 3:
            return self.maps
        edge = min(self.maps.shape[1:]) // BORDER
        return self.maps[:, edge : self.maps.shape[1] - edge, edge : self.maps.shape[2] - edge]

    def strongest(self, count: int) -> list[int]:
        """Return the units whose map varies most inside (or with the largest value), in descending order.

        A unit whose map correlates by more than 0.95 with that of a stronger unit is left out, see `alike`,
        and so are units with a constant map but for the first; unless all units are asked for.

        Args:
            count: how many; fewer where there are no more that differ.

        Returns:
            Indices of units, by `strengths`.
        """
        return self._chosen(count)[0]

    def alike(self, count: int) -> int:
        """Count the units that `strongest` leaves out since a stronger one has almost the same map.

        Args:
            count: how many units are asked for.

        Returns:
            Number of units that are stronger than the last one that is shown.
        """
        return self._chosen(count)[1]

    def _chosen(self, count: int) -> tuple[list[int], int]:
        """Return the units to show, and how many were passed over on the way."""
        if count not in self._choices:
            self._choices[count] = self._choose(count)
        return self._choices[count]

    @cached_property
    def _choices(self) -> dict[int, tuple[list[int], int]]:
        return {}

    def _choose(self, count: int) -> tuple[list[int], int]:
        order = self.strengths.topk(len(self.maps)).indices
        if not self.has_maps or count >= len(order):
            return order[:count].tolist(), 0
        patterns = standardised(self.inside)
        chosen: list[int] = []
        alike = 0
        for unit in order.tolist():
            constant = not patterns[unit].any()
            if len(chosen) == count or (chosen and constant):
                break
            if chosen and bool((patterns[chosen] @ patterns[unit] > ALIKE).any()):
                alike += 1
            else:
                chosen.append(unit)
        return chosen, alike


def standardised(maps: Float[Tensor, "n *size"]) -> Float[Tensor, "n p"]:
    """Centre and normalise maps, so that their products are Pearson's correlations.

    Args:
        maps: of any size.

    Returns:
        Each map flattened, with mean 0 and length 1, in float64 on the CPU; constant ones are 0.
    """
    flat = maps.detach().cpu().flatten(1).double()
    flat = flat - flat.mean(1, keepdim=True)
    length = flat.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-9, flat / length.clamp_min(1e-12), torch.zeros_like(flat))


@takes_network
def feature_maps(
    net: Net, image: InputLike | Sequence[InputLike], places: Sequence[str | LayerAddress] = ()
) -> Iterator[FeatureMaps]:
    """Iterate over the feature maps of one input, layer by layer.

    Args:
        net: any network, or its name.
        image: one input, as `worlds.open_sample` takes it: a path, an opened image, an array, a tensor; one
            for each if the network has several inputs.
        places: layers to record; if left out, all of `layers_with_units`.

    Yields:
        One `FeatureMaps` for each place, in the order of `places`, or in the order in which the layers run.

    Raises:
        PlaceError: a place is not in this network.
        DataError: the input cannot be read or does not fit, or there are several.
        ConvscopeError: an activation is NaN or infinite; the first layer where it is so is named.
    """
    inputs = open_inputs(image, net.input_specs)
    if any(len(x) != 1 for x in inputs):
        raise DataError("one input", received=f"{max(map(len, inputs))} of them", hint="Take one: x[0].")
    wanted = list(places) or layers_with_units(net)
    recipe = LookRecipe.parse({"net": net.name, "image": name_of(image) or None})
    for place, activation in activations(net, inputs, wanted).items():
        require_finite(activation[:1].float(), [place], "activations")
        names = net.classes if place == RESULT and len(net.classes) == len(activation[0]) else ()
        yield FeatureMaps(place, activation[0], names, recipe.model_copy(update={"places": [place]}))


@takes_network
def layers_with_units(net: Net) -> list[str]:
    """List the innermost layers that return one tensor with units, in the order in which they run.

    Args:
        net: any network.

    Returns:
        Names of layers, the network's result (`output`) among them where it is one tensor.
    """
    shapes = layer_shapes(net)
    names = [name for name in shapes if not any(other.startswith(f"{name}.") for other in shapes)]
    return [name for name in names if len(shapes[name][-1]) == 1 and next(iter(shapes[name][-1].values()))]
