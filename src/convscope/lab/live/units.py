"""The card of one unit: its formula and weights, its strongest real inputs, its activation maximisation.

And the units of a layer in a list, each with its strongest real input and what is known of its health.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convscope.errors import PlaceError, UsageError
from convscope.graph import Field
from convscope.lab.folder import RUN, LabFolder, to_path
from convscope.lab.live.background import Background, Work
from convscope.lab.live.formulas import formula
from convscope.lab.live.inputs import bundled_dataset, rounded
from convscope.lab.live.networks import Layer, options_of, watchable
from convscope.nets import Net, describe
from convscope.see import Visualization, iter_visualize, unit_terms
from convscope.see.units import (
    Example,
    RedundantUnit,
    UnitIndex,
    UnitRecipe,
    find_cached_index,
    iter_index_units,
    iter_redundancy,
    receptive_field,
    resolve_unit,
    storage,
    units_in_region,
)
from convscope.see.visualization import VisualizeRecipe
from convscope.system.progress import Progress
from convscope.worlds import LabelledDataset, world_of

TOP_INPUTS = 9
"""Real inputs that a card shows."""
BATCH = 64
"""Inputs of one step of an index: short enough for a live view in between."""
STEPS = 128
"""Updates of a visualization."""
MAX_WEIGHTS = 2**16
"""Weights of one unit that are sent."""
MAX_UNITS = 20_000
"""Units of one list."""
MAX_COMPARED = 2048
"""Units of a layer of which all pairs are compared, to find redundant ones."""
RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
"""Numbers of units in an address: one, or first and last."""


class Units:
    """Answer questions about single units.

    Args:
        background: computes what takes long.
        folder: where the trainings lie.
    """

    def __init__(self, background: Background, folder: LabFolder) -> None:
        self.background, self.folder = background, folder

    def card(self, net: Net, name: str, address: str) -> dict[str, Any]:
        """Return what is known of a unit, whether or not an input is given.

        Args:
            net: the network.
            name: its name in the lab.
            address: the unit, like `conv2:7`.

        Returns:
            JSON-ready. `top` has the strongest inputs of the data that ships, and is empty until they are
            found: `indexed` is the share of the data that was looked at, None where nothing ships.
            `command` is empty for a checkpoint: the terminal opens the saved network alone.

        Raises:
            PlaceError: there is no such unit.
            UsageError: the layer cannot be watched.
        """
        place = resolve_unit(net, address)
        layer = _watchable_layer(net, place.layer)
        node = next(node for node in describe(net).graph.nodes if node.name == layer.name)
        weights, bias = _weights(net, place.layer, int(place.unit or 0))
        options = options_of(node.layer)
        data = bundled_dataset(net.input_spec)
        found = formula(describe(net).graph, layer.name)
        top, indexed = self._top(net, name, str(place), data)
        reference, checkpoint = self.folder.reference(name), self._checkpoint(name)
        return {
            "address": str(place),
            "layer": layer.to_json(options),
            "formula": {name: found[name] for name in ("text", "latex", "term_count")},
            "activation": found["activation"],
            "kernel": None if weights is None else {"shape": list(weights.shape), "values": rounded(weights)},
            "bias": bias,
            "stride": options.get("stride"),
            "padding": options.get("padding"),
            "top": top,
            "indexed": indexed,
            "data": data.name if data is not None else None,
            "visualization": _visualization_url(net, name, str(place)),
            "code": _code(net, reference, checkpoint, str(place)),
            "command": "" if checkpoint else _command(reference, str(place), data),
        }

    def _checkpoint(self, name: str) -> str:
        return self.folder.run_and_checkpoint(name)[1] if name.startswith(RUN) else ""

    def _top(
        self, net: Net, name: str, address: str, data: LabelledDataset | None
    ) -> tuple[list[dict[str, Any]], float | None]:
        if data is None:
            return [], None
        index, fraction = self._index(net, address, data)
        if index is None:
            return [], fraction
        place = resolve_unit(net, address)
        field = receptive_field(net, place)
        return [_top_input(net, name, one, field, data) for one in index.entry(place, TOP_INPUTS).top], 1.0

    def _index(self, net: Net, address: str, data: LabelledDataset) -> tuple[UnitIndex | None, float]:
        """Return the index of a unit's layer, None until it is made, and the share of the data seen."""
        key = ("index", net, str(resolve_unit(net, address).layer_only))
        work = self.background.get_or_start(key, lambda: _index_steps(_copy(net), data, address))
        index: UnitIndex | None = work.result() if work.done else None
        return index, 1.0 if index is not None else min(work.fraction, 0.99)

    def layer(self, net: Net, name: str, layer: str, units: str = "") -> dict[str, Any]:
        """Return the units of a layer, each with its strongest real input.

        Args:
            net: the network.
            name: its name in the lab.
            layer: the layer.
            units: which ones, like `1,5,7-9`, in this order; all if empty.

        Returns:
            JSON-ready: `layer`, `count` (units of the layer), `data` (what the statistics are from, or None),
            `indexed` and `compared` (shares of it that were looked at: for statistics, and for
            redundant units; None where that is not done), and `units`. Of each unit `unit`, `address`,
            `label` (a class), `max`, `mean`, `inactive_share`, `dead`, `saturated`, `redundant` (`unit` and
            `correlation`), `top` and `visualization`; None as long as it is not known.

        Raises:
            PlaceError: there is no such layer or unit.
            UsageError: the layer cannot be watched, or `units` is no list of numbers, or too long.
        """
        place = resolve_unit(net, f"{layer}:0").layer_only
        described, data = _watchable_layer(net, str(place)), bundled_dataset(net.input_spec)
        numbers = unit_numbers(units, str(place), described.shape[0])
        index, indexed = self._index(net, f"{place}:0", data) if data is not None else (None, None)
        redundant, compared = {}, None
        if data is not None and described.shape[0] <= MAX_COMPARED:
            redundant, compared = self._redundant(net, str(place), data) if index is not None else ({}, 0.0)
        labels = net.classes if described is watchable(net)[-1] else ()
        labels = labels if len(labels) == described.shape[0] else ()
        known = _statistics(net, name, str(place), index, data)
        node = next(node for node in describe(net).graph.nodes if node.name == described.name)
        return {
            "net": name,
            "layer": described.to_json(options_of(node.layer)),
            "count": described.shape[0],
            "data": data.name if data is not None else None,
            "indexed": indexed,
            "compared": compared,
            "units": [
                {
                    "unit": unit,
                    "address": f"{place}:{unit}",
                    "label": labels[unit] if labels else "",
                    **known(unit),
                    "redundant": vars(redundant[unit]) if unit in redundant else None,
                    "visualization": _visualization_url(net, name, f"{place}:{unit}"),
                }
                for unit in numbers
            ],
        }

    def region(
        self, net: Net, image: Tensor, layer: str, region: Sequence[Sequence[float]]
    ) -> dict[str, Any]:
        """Return the units of a layer that respond most to a part of an input.

        Args:
            net: the network.
            image: one input `[*shape]` in the spec's range.
            layer: the layer.
            region: the part: along each axis the first position, and the one after the last.

        Returns:
            JSON-ready: `indexed` (the share of the data that was looked at, by which units are compared; None
            where none ships) and `units`, the fields of `RegionUnit` and `address`.

        Raises:
            PlaceError: there is no such layer.
            UsageError: it has no feature maps that lie over the input, or the part is outside.
        """
        data = bundled_dataset(net.input_spec)
        place = resolve_unit(net, f"{layer}:0").layer_only
        index, indexed = self._index(net, f"{place}:0", data) if data is not None else (None, None)
        found = units_in_region(net, image[None], place, region, index=index)
        units = [{**vars(one), "address": f"{place}:{one.unit}"} for one in found]
        return {"indexed": indexed, "units": units}

    def _redundant(
        self, net: Net, layer: str, data: LabelledDataset
    ) -> tuple[dict[int, RedundantUnit], float]:
        """Return redundant units of a layer by number, and the share of the samples that were compared."""
        key = ("redundancy", net, layer)
        work = self.background.get_or_start(
            key, lambda: iter_redundancy(_copy(net), data, [layer], batch=BATCH)
        )
        if not work.done:
            return {}, min(work.fraction, 0.99)
        return {one.unit: one for one in work.result().layers.get(layer, ())}, 1.0

    def visualization(self, net: Net, address: str) -> tuple[dict[str, Any], Tensor | None]:
        """Return the input that maximises a unit, as far as it is computed.

        Args:
            net: the network.
            address: the unit.

        Returns:
            `fraction`, 0 to 1, and the input `[*shape]`; None before the first step.

        Raises:
            PlaceError: there is no such unit.
            UsageError: nothing can be optimised: the input is a text, or there is no gradient.
        """
        place = str(resolve_unit(net, address))
        if net.input_spec.is_integer:
            raise UsageError(
                "a network of pictures, boards or sounds",
                received=net.name,
                hint="Words cannot be moved a little; the card names the best ones.",
            )
        work = self.background.get_or_start(
            ("visualization", net, place), lambda: _visualize_steps(_copy(net), place)
        )
        return {"fraction": round(work.fraction, 4)}, _image_of(work)


def unit_numbers(text: str, layer: str, count: int) -> list[int]:
    """Read numbers of units.

    Args:
        text: numbers and ranges, like `1,5,7-9`; empty for all.
        layer: name of the layer, for messages.
        count: units of the layer.

    Returns:
        The numbers in the given order, each once.

    Raises:
        PlaceError: the layer has no such unit.
        UsageError: the text is something else, or there are too many.
    """
    wanted = [part.strip() for part in text.split(",")] if text.strip() else [f"0-{count - 1}"]
    found: dict[int, None] = {}
    for part in wanted:
        match = RANGE.fullmatch(part)
        if match is None:
            hint = "Separate them by commas: ?units=1,5,7-9"
            raise UsageError("numbers of units", received=part[:40] or "nothing between commas", hint=hint)
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < count:
            hint = f"For example: ?units={count - 1}"
            raise PlaceError(f"one of the units 0 to {count - 1} of {layer}", received=part, hint=hint)
        found |= dict.fromkeys(range(first, min(last, first + MAX_UNITS) + 1))
        if len(found) > MAX_UNITS:
            hint = f"Name some of the {count:,}: ?units=0-{MAX_UNITS - 1}"
            raise UsageError(f"at most {MAX_UNITS:,} units", received=f"{len(found):,} or more", hint=hint)
    return list(found)


def _statistics(
    net: Net, name: str, layer: str, index: UnitIndex | None, data: LabelledDataset | None
) -> Callable[[int], dict[str, Any]]:
    """Return a function that gives the statistics of a unit of a layer; None of each without an index."""
    nothing: dict[str, Any] = dict.fromkeys(("max", "mean", "inactive_share", "dead", "saturated", "top"))
    if index is None or data is None:
        return lambda _unit: nothing
    rows, accumulator, shape = index.rows(layer), index.accumulator, index.layer(layer).size
    seen, tops = accumulator.images[rows].tolist(), accumulator.top
    means, shares = accumulator.mean[rows], accumulator.inactive[rows] / accumulator.images[rows].clamp_min(1)
    columns = zip(index.dead(layer), index.saturated(layer), means, shares, strict=True)
    facts = [tuple(column.item() for column in entry) for entry in columns]
    values, images, spots = (
        part[rows, 0].tolist() for part in (tops.values, tops.images, tops.flat_positions)
    )
    field = receptive_field(net, resolve_unit(net, f"{layer}:0"))

    def statistics(unit: int) -> dict[str, Any]:
        if not seen[unit]:
            return nothing
        position = tuple(map(int, np.unravel_index(spots[unit], shape))) if shape else ()
        example = Example(images[unit], int(index.labels[images[unit]]), values[unit], position)
        dead, saturated, mean, share = facts[unit]
        return {
            "max": values[unit],
            "mean": mean,
            "inactive_share": share,
            "dead": dead,
            "saturated": saturated,
            "top": _top_input(net, name, example, field, data),
        }

    return statistics


def _top_input(
    net: Net, name: str, example: Example, field: Field | None, data: LabelledDataset
) -> dict[str, Any]:
    """Return a real input on which a unit is strong, and what of it the unit depends on."""
    everything = [[0, extent] for extent in net.input_spec.size]
    box = None
    if field is not None and len(field.axes) == len(everything):
        box = field.box(example.position if len(example.position) == len(field.positions) else ())
    low_high = [list(span) for span in box] if box else everything
    found = {
        "url": f"/api/v1/networks/{to_path(name)}/samples/{example.image}.png",
        "sample": example.image,
        "value": example.value,
        "position": list(example.position),
        "class": data.classes[example.label],
        "crop": [span[0] for span in low_high] + [span[1] for span in low_high],
    }
    if net.input_spec.is_integer:
        pieces = world_of(net.input_spec).pieces(
            data.inputs([example.image], net.input_spec)[0], net.input_spec
        )
        found["text"] = "".join(piece.text + piece.gap for piece in pieces).strip()
    return found


def inspect_unit(net: Net, image: Tensor, address: str) -> dict[str, Any]:
    """Return the numbers behind one unit at one position of an input.

    Args:
        net: the network, not steered.
        image: one input `[*shape]` in the spec's range.
        address: the unit, like `conv2:7@3,4`; without a position that of its largest value.

    Returns:
        The fields of `see.UnitTerms`, JSON-ready: `window` and `weights` row by row, `shape` of both.

    Raises:
        PlaceError: there is no such unit.
        UsageError: its value is no such sum.
    """
    terms = unit_terms(net, image[None], address)
    return {
        "address": terms.address,
        "kind": terms.kind,
        "shape": list(terms.window.shape),
        "window": rounded(terms.window),
        "weights": None if terms.weights is None else rounded(terms.weights),
        "bias": terms.bias,
        "sum": terms.total if terms.weights is not None else None,
        "value": terms.value,
        "taps": [list(taps) for taps in terms.taps],
        "channels": list(terms.channels),
        "following": [vars(one) for one in terms.following],
    }


def _image_of(work: Work) -> Tensor | None:
    shown: Visualization | None = work.result()
    return None if shown is None else shown.images[0]


def _copy(net: Net) -> Net:
    """Return a copy: a long computation's hooks would see the inputs of the live view."""
    return net.with_module(deepcopy(net.module))


def _index_steps(net: Net, data: LabelledDataset, address: str) -> Iterator[Progress[UnitIndex | None]]:
    """Find the strongest inputs of all units of a layer; the index is kept in the user's cache."""
    place = resolve_unit(net, address)
    known = find_cached_index(net, data, place, TOP_INPUTS)
    if known is not None:
        yield Progress(1.0, "known", lambda: known)
        return
    settings = {"places": [str(place.layer_only)], "k": TOP_INPUTS, "batch": BATCH}
    folder = storage.cache_dir(net, data) / storage.cache_key(settings)
    yield from iter_index_units(net, data, [place.layer_only], k=TOP_INPUTS, batch=BATCH, folder=folder)


def _visualize_steps(net: Net, address: str) -> Iterator[Progress[Visualization | None]]:
    recipe = VisualizeRecipe.parse({"net": net.name, "places": [address], "steps": STEPS})
    yield from iter_visualize(net, recipe)


def _watchable_layer(net: Net, name: str) -> Layer:
    found = next((layer for layer in watchable(net) if layer.name == name), None)
    if found is None:
        raise UsageError(
            "a layer that can be watched", received=name, hint=f"Choose one inside it: {net.name} lists them."
        )
    return found


def _weights(net: Net, layer: str, unit: int) -> tuple[Tensor | None, float | None]:
    """Return weights and bias of a unit of a convolution or dense layer; None where it has none."""
    module = net.module.get_submodule(layer)
    kinds = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Linear)
    if not isinstance(module, kinds):
        return None, None
    weight = module.weight.detach().float().cpu()[unit]
    bias = None if module.bias is None else float(module.bias.detach()[unit])
    return (weight if weight.numel() <= MAX_WEIGHTS else None), bias


def _visualization_url(net: Net, name: str, address: str) -> dict[str, str] | None:
    if net.input_spec.is_integer:
        return None
    layer, _, unit = address.rpartition(":")
    return {"url": f"/api/v1/networks/{to_path(name)}/layers/{layer}/units/{unit}/visualization.png"}


def _code(net: Net, reference: str, checkpoint: str, address: str) -> str:
    """Return Python that does what the card does."""
    opened = f"learn.load_checkpoint({reference!r}, {checkpoint!r})"
    lines = [
        f"from convscope import {'learn' if checkpoint else 'load'}, see, worlds",
        "",
        f"net = {opened if checkpoint else f'load({reference!r})'}",
        "example = worlds.world_of(net.input_spec).example(net.input_spec)  # or the name of a file",
        f"maps = see.activations(net, example, [{address!r}])",
        f"terms = see.unit_terms(net, example, {address!r})",
    ]
    if not net.input_spec.is_integer:
        lines.append(f"picture = see.visualize(net, {address!r})")
    return "\n".join(lines)


def _command(reference: str, address: str, data: LabelledDataset | None) -> str:
    """Return the command of the terminal that makes the report on a unit, or its picture."""
    given: dict[str, Any] = {"net": reference}
    if data is not None:
        bundle, _, split = data.name.partition("/")
        return UnitRecipe.parse({**given, "place": address, "data": bundle, "split": split or None}).command()
    return VisualizeRecipe.parse({**given, "places": [address]}).command()
