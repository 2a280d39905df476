"""Everything about one unit: what was made for it, the real images at both ends of its scale, its numbers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from convscope.errors import ConvscopeError, PlaceError, UsageError
from convscope.graph.receptive_field import Field, receptive_fields
from convscope.iteration import last_result
from convscope.nets import LayerAddress, Net, frozen, resolve
from convscope.nets.activations.address import RESULT
from convscope.see.features.effective_field import EffectiveReceptiveField, effective_receptive_field
from convscope.see.features.recording import record_float32
from convscope.see.units import storage
from convscope.see.units.build import iter_index_units
from convscope.see.units.index import Example, UnitIndex, UnitStatistics
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.see.visualization.visualization import VisualizationProgress, iter_visualize
from convscope.worlds.dataset import LabelledImages, scaled

MEASURED = 24
"""Images over which the effective receptive field is measured: the top ones, then the data's first."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A real image in the contract's range, and the part of it that the unit sees at its loudest."""

    example: Example
    picture: Float[Tensor, "*shape"]
    box: tuple[tuple[int, int], ...]
    """First pixel and the one after the last, axis by axis; the whole image where the part is not known."""

    @property
    def crop(self) -> Float[Tensor, "*part"]:
        """The part alone."""
        return self.picture[(slice(None), *(slice(low, high) for low, high in self.box))]


@dataclass(frozen=True, eq=False)
class SyntheticImage:
    """A synthetic picture in the contract's range and what the unit says to it: its map's extreme value."""

    picture: Float[Tensor, "*shape"]
    value: float
    silent: bool
    """Whether no gradient was left at the end; then the picture says nothing."""


@dataclass(frozen=True, eq=False)
class UnitReport:
    """One unit.

    Attributes:
        place: the unit.
        label: its name, for a unit of the result that has one.
        entry: its numbers.
        top: the images to which it says most, the most first.
        bottom: the images with the smallest value.
        liked: a picture made so that it says much: the largest value of its map is raised.
        disliked: a picture made so that it says little: its whole map is lowered.
        percentile: per cent of real images to which it says less than to `liked`.
        field: what one position sees; None where that is not known.
        effective: what moves the middle position; None where there is no space, or no gradient.
        classes: names of the data's classes.
    """

    place: str
    label: str
    entry: UnitStatistics
    top: tuple[Patch, ...]
    bottom: tuple[Patch, ...]
    maximizing: SyntheticImage
    minimizing: SyntheticImage
    percentile: float
    field: Field | None
    effective: EffectiveReceptiveField | None
    classes: tuple[str, ...]


@dataclass(frozen=True)
class UnitReportProgress:
    """How far a portrait is, from 0 to 1.

    Attributes:
        done: from 0 to 1.
        note: what is under way.
        so_far: the portrait as it is now, once all images have passed; the last one's is whole.
    """

    done: float
    note: str
    so_far: Callable[[], UnitReport] | None = None


def unit_report(
    net: Net,
    place: str | LayerAddress,
    data: LabelledImages,
    *,
    index: UnitIndex | None = None,
    top_k: int = 9,
    steps: int = 256,
    seed: int = 0,
) -> UnitReport:
    """Everything about one unit; uses an index of this network over this data where there is one.

    Args:
        net: any network.
        place: a unit, like `conv2:17` or `output:tench`.
        data: real inputs.
        index: where to look up the real images; one in the user's cache, or a pass for this layer alone, if
            left out.
        top_k: how many real images at either end.
        steps: updates of each synthetic picture.
        seed: of the synthetic pictures.

    Raises:
        PlaceError: there is no such unit.
        UsageError: the data do not fit the network, the index lacks the unit, or the unit
            has no gradient with respect to the image.
        ConvscopeError: the unit's values are NaN or infinite.
    """
    last = last_result(
        iter_unit_report(net, place, data, index=index, top_k=top_k, steps=steps, seed=seed), "a portrait"
    )
    if last.so_far is None:
        raise UsageError("one unit")
    return last.so_far()


def iter_unit_report(
    net: Net,
    place: str | LayerAddress,
    data: LabelledImages,
    *,
    index: UnitIndex | None = None,
    top_k: int = 9,
    batch: int | None = None,
    steps: int = 256,
    seed: int = 0,
) -> Iterator[UnitReportProgress]:
    """As `unit`, telling how far it is; can be stopped at any time."""
    wanted = one_unit(net, place)
    found = known_index(net, data, wanted, top_k) if index is None else _holding(index, wanted)
    if found is None:
        for step in iter_index_units(net, data, [wanted.layer_only], k=top_k, batch=batch):
            yield UnitReportProgress(0.4 * step.done / step.total, f"{step.done:,} of {step.total:,} images")
            found = step.index()
    if found is None:
        raise UsageError("samples", received="none")
    entry = found.entry(wanted, top_k)
    with frozen(net.module):
        ways = (_synthesize(net, wanted, steps, seed, negative=negative) for negative in (False, True))
        for liked, disliked in zip(*ways, strict=True):
            yield UnitReportProgress(
                0.4 + 0.6 * liked[0] / max(steps, 1),
                f"step {liked[0]} of {steps}",
                lambda up=liked[1], down=disliked[1]: _report(net, data, wanted, entry, (up(), down())),
            )


def _synthesize(
    net: Net, place: LayerAddress, steps: int, seed: int, *, negative: bool
) -> Iterator[tuple[int, Callable[[], SyntheticImage]]]:
    """Ascend; with the number of each step comes the picture as it is then."""
    recipe = VisualizeRecipe.parse(
        {
            "net": net.name,
            "places": [str(place)],
            "steps": steps,
            "seed": seed,
            "negative": negative,
            "reduce": "mean" if negative else "max",
        }
    )

    def made(step: VisualizationProgress) -> SyntheticImage:
        shown = step.visualization()
        return SyntheticImage(shown.images[0], _said(net, shown.images, place, negative), bool(shown.silent))

    for step in iter_visualize(net, recipe):
        yield step.step, lambda step=step: made(step)


def _report(
    net: Net,
    data: LabelledImages,
    place: LayerAddress,
    entry: UnitStatistics,
    made: tuple[SyntheticImage, SyntheticImage],
) -> UnitReport:
    field = field_of(net, place)
    top = _patches(net, data, entry.top, field)
    return UnitReport(
        place=str(place),
        label=net.labels[int(place.unit or 0)] if _is_labelled(net, place, entry) else "",
        entry=entry,
        top=top,
        bottom=_patches(net, data, entry.bottom, field),
        maximizing=made[0],
        minimizing=made[1],
        percentile=entry.percentile(made[0].value),
        field=field,
        effective=_effective(net, data, place, [patch.example.image for patch in top]),
        classes=data.classes,
    )


def open_index(folder: str | Path, net: Net, data: LabelledImages) -> UnitIndex:
    """An index from its folder, if it is of this network over this data.

    Raises:
        DataError: there is none, or it is damaged.
        UsageError: it is of something else.
    """
    index, facts = storage.read(folder), storage.fingerprint(net, data)
    differ = [name for name in facts if index.fingerprint.get(name) != facts[name]]
    if differ:
        raise UsageError(
            f"an index of {net.name} over {data.name} at {folder}",
            received=f"one of another {' and '.join(differ)}",
        )
    return index


def _holding(index: UnitIndex, place: LayerAddress) -> UnitIndex:
    """The index that was given, if it holds the unit.

    Raises:
        UsageError: it does not.
    """
    if place in index:
        return index
    raise UsageError(
        f"an index that holds {place}",
        received="one of " + ", ".join(layer.place for layer in index.layers[:6]),
        hint="Index that layer too, or leave out the index.",
    )


def one_unit(net: Net, place: str | LayerAddress) -> LayerAddress:
    """The place of one unit, wherever it speaks.

    Raises:
        PlaceError: there is no such unit, or the place is a layer or a single position.
    """
    wanted = resolve(net, place)
    if wanted.unit is None or wanted.position is not None:
        raise PlaceError(
            "one unit, like conv2:17", received=str(place), hint=f"Write {wanted.layer_text}:0 for the first."
        )
    return wanted


def known_index(net: Net, data: LabelledImages, place: LayerAddress, top_k: int) -> UnitIndex | None:
    """An index in the user's cache that has the unit, with enough images at either end."""
    fits = (
        index
        for index in storage.cached_indexes(net, data)
        if place in index and index.fingerprint["k"] >= top_k
    )
    return next(fits, None)


def field_of(net: Net, place: LayerAddress) -> Field | None:
    """What one position of a layer sees in the first input; None where the graph does not tell."""
    try:
        graph = net.describe().graph
    except (ConvscopeError, RuntimeError, TypeError, ValueError):
        return None
    fields = receptive_fields(graph)
    inside = [node.name for node in graph.nodes if node.name.startswith(f"{place.layer}.")]
    names = [place.layer_text.partition("[")[0], *inside[-1:]]
    if place.layer == RESULT and len(graph.outputs) == 1:
        names.append(graph.outputs[0])
    return next((fields[name] for name in names if name in fields), None)


def _said(net: Net, images: Float[Tensor, "n *shape"], place: LayerAddress, negative: bool) -> float:
    """The largest (or smallest) value on the unit's map for a picture as it is."""
    with torch.no_grad():
        act = place.select(record_float32(net, images, [place.layer_only])[place.layer_only])
    return float(act.min() if negative else act.max())


def _patches(
    net: Net, data: LabelledImages, examples: Sequence[Example], field: Field | None
) -> tuple[Patch, ...]:
    if not examples:
        return ()
    pictures = scaled(data.batch([example.image for example in examples]), net.contract)
    return tuple(
        Patch(example, picture, _box(field, example.position, tuple(picture.shape[1:])))
        for example, picture in zip(examples, pictures, strict=True)
    )


def _box(
    field: Field | None, position: tuple[int, ...], size: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    everything = tuple((0, extent) for extent in size)
    if field is None or len(field.axes) != len(size):
        return everything
    if len(position) != len(field.positions):
        return everything
    return field.box(position) or everything


def _effective(
    net: Net, data: LabelledImages, place: LayerAddress, first: Sequence[int]
) -> EffectiveReceptiveField | None:
    if not net.contract.size:
        return None
    numbers = list(dict.fromkeys([*first, *range(min(MEASURED, len(data)))]))[:MEASURED]
    try:
        return effective_receptive_field(net, place, scaled(data.batch(numbers), net.contract))
    except UsageError:  # no gradient exists, and without steps none is needed elsewhere
        return None


def _is_labelled(net: Net, place: LayerAddress, entry: UnitStatistics) -> bool:
    return place.layer == RESULT and len(net.labels) > int(place.unit or 0) and bool(entry.images)
