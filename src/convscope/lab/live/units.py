"""The card of one unit: its formula and weights, its strongest real inputs, the picture that it prefers."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from convscope.errors import UsageError
from convscope.lab.live.background import Background, Work
from convscope.lab.live.formulas import formula
from convscope.lab.live.inputs import bundled, rounded
from convscope.lab.live.networks import CHECKPOINT, RUN, Layer, options_of, watchable
from convscope.nets import Net, describe
from convscope.see import Visualization, iter_visualize, unit_terms
from convscope.see.units import (
    UnitIndex,
    UnitRecipe,
    field_of,
    iter_index_units,
    known_index,
    one_unit,
    storage,
)
from convscope.see.visualization import VisualizeRecipe
from convscope.system.progress import Progress
from convscope.worlds import LabelledDataset

TOP = 9
"""Real inputs that a card shows."""
BATCH = 64
"""Inputs of one step of an index: short enough for a live view in between."""
STEPS = 128
"""Updates of a preferred picture."""
MOST_WEIGHTS = 2**16
"""Weights of one unit that are sent."""


class Units:
    """Answer questions about single units.

    Args:
        background: computes what takes long.
    """

    def __init__(self, background: Background) -> None:
        self.background = background

    def card(self, net: Net, name: str, address: str) -> dict[str, Any]:
        """Return what is known of a unit, whether or not an input is given.

        Args:
            net: the network.
            name: its name in the lab.
            address: the unit, like `conv2:7`.

        Returns:
            JSON-ready. `top` has the strongest inputs of the data that ships, and is empty until they are
            found: `indexed` is the share of the data that was looked at, None where nothing ships.

        Raises:
            PlaceError: there is no such unit.
            UsageError: the layer cannot be watched.
        """
        place = one_unit(net, address)
        layer = _layer_of(net, place.layer)
        node = next(node for node in describe(net).graph.nodes if node.name == layer.name)
        weights, bias = _weights(net, place.layer, int(place.unit or 0))
        options = options_of(node.layer)
        data = bundled(net.input_spec)
        found = formula(describe(net).graph, layer.name)
        top, indexed = self._top(net, name, str(place), data)
        return {
            "address": str(place),
            "layer": layer.to_json(options),
            "formula": {name: found[name] for name in ("text", "latex", "terms")},
            "activation": found["activation"],
            "kernel": None if weights is None else {"shape": list(weights.shape), "values": rounded(weights)},
            "bias": bias,
            "stride": options.get("stride"),
            "padding": options.get("padding"),
            "top": top,
            "indexed": indexed,
            "data": data.name if data is not None else None,
            "preferred": _preferred(net, name, str(place)),
            "code": _code(net, name, str(place)),
            "command": _command(net, name, str(place), data),
        }

    def _top(
        self, net: Net, name: str, address: str, data: LabelledDataset | None
    ) -> tuple[list[dict[str, Any]], float | None]:
        if data is None:
            return [], None
        place = one_unit(net, address)
        key = ("index", net, str(place.layer_only))
        work = self.background.of(key, lambda: _indexing(_copied(net), data, address))
        index: UnitIndex | None = work.result() if work.done else None
        if index is None:
            return [], min(work.fraction, 0.99)
        field, entries = field_of(net, place), index.entry(place, TOP)
        everything = [[0, extent] for extent in net.input_spec.size]
        found = []
        for example in entries.top:
            box = None
            if field is not None and len(field.axes) == len(everything):
                box = field.box(example.position if len(example.position) == len(field.positions) else ())
            low_high = [list(span) for span in box] if box else everything
            found.append(
                {
                    "image": f"/api/v1/networks/{in_path(name)}/samples/{example.image}.png",
                    "sample": example.image,
                    "value": example.value,
                    "position": list(example.position),
                    "class": data.classes[example.label],
                    "crop": [span[0] for span in low_high] + [span[1] for span in low_high],
                }
            )
        return found, 1.0

    def preferred(self, net: Net, address: str) -> tuple[dict[str, Any], Tensor | None]:
        """Return the picture that maximises a unit, as far as it is.

        Args:
            net: the network.
            address: the unit.

        Returns:
            `fraction`, 0 to 1, and the input `[*shape]`; None before the first step.

        Raises:
            PlaceError: there is no such unit.
            UsageError: nothing can be optimised: the input is a text, or there is no gradient.
        """
        place = str(one_unit(net, address))
        if net.input_spec.is_integer:
            raise UsageError(
                "a network of pictures, boards or sounds",
                received=net.name,
                hint="Words cannot be moved a little; the card names the best ones.",
            )
        work = self.background.of(("preferred", net, place), lambda: _visualizing(_copied(net), place))
        return {"fraction": round(work.fraction, 4)}, _image_of(work)


def inspection(net: Net, image: Tensor, address: str) -> dict[str, Any]:
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
        "address": terms.place,
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


def _copied(net: Net) -> Net:
    """Return a copy: a long computation's hooks would see the inputs of the live view."""
    return net.with_module(deepcopy(net.module))


def _indexing(net: Net, data: LabelledDataset, address: str) -> Iterator[Progress[UnitIndex | None]]:
    """Find the strongest inputs of all units of a layer; the index is kept in the user's cache."""
    place = one_unit(net, address)
    known = known_index(net, data, place, TOP)
    if known is not None:
        yield Progress(1.0, "known", lambda: known)
        return
    wanted = {"places": [str(place.layer_only)], "k": TOP, "batch": BATCH}
    folder = storage.cache_dir(net, data) / storage.cache_key(wanted)
    yield from iter_index_units(net, data, [place.layer_only], k=TOP, batch=BATCH, folder=folder)


def _visualizing(net: Net, address: str) -> Iterator[Progress[Visualization | None]]:
    recipe = VisualizeRecipe.parse({"net": net.name, "places": [address], "steps": STEPS})
    yield from iter_visualize(net, recipe)


def _layer_of(net: Net, name: str) -> Layer:
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
    return (weight if weight.numel() <= MOST_WEIGHTS else None), bias


def in_path(name: str) -> str:
    """Return the name of a network as a part of an address.

    Args:
        name: its name in the lab.

    Returns:
        The name, with `~` for `/`.
    """
    return name.replace("/", "~")


def _preferred(net: Net, name: str, address: str) -> dict[str, str] | None:
    if net.input_spec.is_integer:
        return None
    layer, _, unit = address.rpartition(":")
    return {"url": f"/api/v1/networks/{in_path(name)}/layers/{layer}/units/{unit}/preferred.png"}


def reference(name: str) -> str:
    """Return the name by which the terminal and Python know a network of the lab.

    Args:
        name: its name in the lab.

    Returns:
        The name, or the folder of a training.
    """
    return f"runs/{name.removeprefix(RUN).partition(CHECKPOINT)[0]}" if name.startswith(RUN) else name


def _code(net: Net, name: str, address: str) -> str:
    """Return Python that does what the card does."""
    checkpoint = name.partition(CHECKPOINT)[2] if name.startswith(RUN) else ""
    opened = f"learn.load_checkpoint({reference(name)!r}, {checkpoint!r})"
    lines = [
        f"from convscope import {'learn' if checkpoint else 'load'}, see, worlds",
        "",
        f"net = {opened if checkpoint else f'load({reference(name)!r})'}",
        "example = worlds.world_of(net.input_spec).example(net.input_spec)  # or the name of a file",
        f"maps = see.activations(net, example, [{address!r}])",
        f"terms = see.unit_terms(net, example, {address!r})",
    ]
    if not net.input_spec.is_integer:
        lines.append(f"picture = see.visualize(net, {address!r})")
    return "\n".join(lines)


def _command(net: Net, name: str, address: str, data: LabelledDataset | None) -> str:
    """Return the command of the terminal that makes the report on a unit, or its picture."""
    given: dict[str, Any] = {"net": reference(name)}
    if data is not None:
        bundle, _, split = data.name.partition("/")
        return UnitRecipe.parse({**given, "place": address, "data": bundle, "split": split or None}).command()
    return VisualizeRecipe.parse({**given, "places": [address]}).command()
