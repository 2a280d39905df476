"""Report on one unit: synthetic images, extreme real images, statistics and receptive fields."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Shaped
from torch import Tensor

from convscope.errors import ConvscopeError, PlaceError, UsageError
from convscope.graph.analysis.receptive_field import Field, receptive_fields
from convscope.nets import LayerAddress, Net, describe, frozen, resolve, takes_network
from convscope.nets.activations.address import RESULT
from convscope.recipe.result import Result
from convscope.see.features.effective_field import EffectiveReceptiveField, effective_receptive_field
from convscope.see.features.recording import record_float32
from convscope.see.units.index import storage
from convscope.see.units.index.build import iter_index_units
from convscope.see.units.index.unit_index import Example, UnitIndex, UnitStatistics
from convscope.see.visualization.ngrams import BestNgrams, best_ngrams, word_convolution
from convscope.see.visualization.recipe import VisualizeRecipe
from convscope.see.visualization.visualization import Visualization, iter_visualize
from convscope.system.progress import Progress, last_result
from convscope.worlds import DataLike, open_labelled
from convscope.worlds.dataset import LabelledDataset

MEASURED = 24
"""Number of images for the effective receptive field: the top ones, then the data's first."""
INDEXED_FRACTION = 0.4
"""Estimated share of indexing in the duration of a report that has no index."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A real image and the region of it that is in the receptive field of the unit's extreme position.

    Attributes:
        example: index, class, value and position.
        picture: the image `[c ...]` in the spec's value range.
        box: for each axis the first pixel and the one after the last; the whole image where the field is
            unknown.
    """

    example: Example
    picture: Shaped[Tensor, "*shape"]
    box: tuple[tuple[int, int], ...]

    @property
    def crop(self) -> Shaped[Tensor, "*part"]:
        """The region alone, `[c ...]`."""
        return _cut(self.picture, self.box)


@dataclass(frozen=True, eq=False)
class SyntheticImage:
    """A synthetic image for a unit.

    Attributes:
        picture: the image `[c ...]` in the spec's value range.
        value: largest (or smallest, where minimised) value of the unit's feature map for it.
        no_gradient: whether no gradient was left at the end; the image carries no information then.
        box: the receptive field of the position with that value, as in `Patch`; () for the whole image.
    """

    picture: Shaped[Tensor, "*shape"]
    value: float
    no_gradient: bool
    box: tuple[tuple[int, int], ...] = ()

    @property
    def crop(self) -> Shaped[Tensor, "*part"]:
        """The receptive field alone, `[c ...]`: what the optimisation changed."""
        return _cut(self.picture, self.box)

    @property
    def is_part(self) -> bool:
        """Whether the unit reads a part of the image only."""
        return self.crop.shape != self.picture.shape


def _cut(picture: Shaped[Tensor, "*shape"], box: tuple[tuple[int, int], ...]) -> Shaped[Tensor, "*part"]:
    """Return the region of a picture; its last axes are those of the box."""
    before = [slice(None)] * (picture.dim() - len(box))
    return picture[(*before, *(slice(low, high) for low, high in box))]


@dataclass(frozen=True, eq=False)
class UnitReport(Result):
    """Everything about one unit.

    Attributes:
        place: the unit's address.
        label: its name, for a unit of the network's output that has one; else empty.
        entry: its statistics.
        top: images with the largest values of the feature map, in descending order.
        bottom: images with the smallest values of the feature map, in ascending order.
        maximizing: a synthetic image for which the maximum of the feature map was maximised; of a unit that
            reads words the n-gram of largest value, and None for deeper ones, which have no gradient.
        minimizing: a synthetic image for which the minimum of the feature map was minimised, likewise.
        percentile: per cent of real images with a smaller peak than `maximizing`; None without it.
        field: receptive field of one position; None where it is not known.
        effective: effective receptive field of the middle position; None without spatial axes or a gradient,
            or where the unit is inactive there for all inputs that were tried.
        classes: names of the data's classes.
        net: the network; its input spec says how images are drawn.
    """

    place: str
    label: str
    entry: UnitStatistics
    top: tuple[Patch, ...]
    bottom: tuple[Patch, ...]
    maximizing: SyntheticImage | None
    minimizing: SyntheticImage | None
    percentile: float | None
    field: Field | None
    effective: EffectiveReceptiveField | None
    classes: tuple[str, ...]
    net: Net
    ngrams: tuple[BestNgrams, BestNgrams] | None = None
    """Words of the largest and of the smallest value, for a unit that reads words."""


@takes_network
def unit_report(
    net: Net,
    place: str | LayerAddress,
    data: DataLike,
    *,
    index: UnitIndex | None = None,
    top_k: int = 9,
    steps: int = 256,
    seed: int = 0,
) -> UnitReport:
    """Collect examples, statistics, synthetic images and receptive fields of one unit.

    Args:
        net: any network, or its name.
        place: a unit, like `conv2:17` or `output:tench`.
        data: real inputs of the network's input shape, or the name or folder of a data set.
        index: an index of this network over this data that holds the unit; if None, one in the user's cache,
            or else a pass for this layer alone.
        top_k: number of real images at either end of the unit's range.
        steps: updates of each synthetic image.
        seed: seed of the synthetic images.

    Returns:
        The report.

    Raises:
        PlaceError: there is no such unit.
        UsageError: the data do not fit the network, the index lacks the unit, or the unit
            has no gradient with respect to the image.
        ConvscopeError: the unit's values are NaN or infinite.
    """
    data = open_labelled(data, net.input_spec)
    steps_of = iter_unit_report(net, place, data, index=index, top_k=top_k, steps=steps, seed=seed)
    return last_result(steps_of, "a report on a unit")


@takes_network
def iter_unit_report(
    net: Net,
    place: str | LayerAddress,
    data: LabelledDataset,
    *,
    index: UnitIndex | None = None,
    top_k: int = 9,
    batch: int | None = None,
    steps: int = 256,
    seed: int = 0,
) -> Iterator[Progress[UnitReport | None]]:
    """Run `unit_report`, yielding after each batch of images and each step of the synthetic images.

    The iterator can be closed at any time.

    Args:
        net: any network.
        place: a unit, like `conv2:17` or `output:tench`.
        data: real inputs of the network's input shape.
        index: an index of this network over this data that holds the unit; if None, one in the user's cache,
            or else a pass for this layer alone.
        top_k: number of real images at either end of the unit's range.
        batch: images per forward pass where the data has to be indexed; chosen by memory if None.
        steps: updates of each synthetic image.
        seed: seed of the synthetic images.

    Yields:
        The progress with the report so far; None until the index is known.

    Raises:
        PlaceError: there is no such unit.
        UsageError: the data do not fit the network, the index lacks the unit, or the unit
            has no gradient with respect to the image.
        ConvscopeError: the unit's values are NaN or infinite.
    """
    wanted = resolve_unit(net, place)
    found = find_cached_index(net, data, wanted, top_k) if index is None else _holding(index, wanted)
    if found is None:
        for step in iter_index_units(net, data, [wanted.layer_only], k=top_k, batch=batch):
            yield Progress(INDEXED_FRACTION * step.fraction, step.message, lambda: None)
            found = step.result()
    if found is None:
        raise UsageError("samples", received="none")
    entry = found.entry(wanted, top_k)
    if net.input_spec.is_integer:
        ready = _report(net, data, wanted, entry, *_of_words(net, wanted))
        yield Progress(1.0, "the best n-gram", lambda: ready)
        return
    with frozen(net.module):
        runs = (_synthesize(net, wanted, steps, seed, negative=negative) for negative in (False, True))
        for maximizing, minimizing in zip(*runs, strict=True):
            yield Progress(
                INDEXED_FRACTION + (1 - INDEXED_FRACTION) * maximizing.fraction,
                maximizing.message.partition(",")[0],
                lambda up=maximizing.result, down=minimizing.result: _report(
                    net, data, wanted, entry, (up(), down())
                ),
            )


def _of_words(
    net: Net, place: LayerAddress
) -> tuple[tuple[SyntheticImage, SyntheticImage] | None, tuple[BestNgrams, BestNgrams] | None]:
    """Return the n-grams of largest and smallest value as inputs, and their words; None for deeper units."""
    if word_convolution(net, place) is None:
        return None, None
    found = tuple(best_ngrams(net, [place], negative=negative) for negative in (False, True))
    lead, made = net.input_spec.text.lead, []
    for ngrams in found:
        row = torch.zeros(net.input_spec.shape, dtype=torch.int64)
        held = ngrams.tokens[0][: len(row) - lead]
        row[lead : lead + len(held)] = held
        made.append(SyntheticImage(row, _extreme(net, row[None], place, negative=ngrams.negative)[0], False))
    return (made[0], made[1]), (found[0], found[1])


def _synthesize(
    net: Net, place: LayerAddress, steps: int, seed: int, *, negative: bool
) -> Iterator[Progress[SyntheticImage]]:
    """Optimise an image for the unit."""
    recipe = VisualizeRecipe.parse(
        {
            "net": net.name,
            "places": [str(place)],
            "steps": steps,
            "seed": seed,
            "negative": negative,
            "reduce": "min" if negative else "max",
        }
    )

    field = receptive_field(net, place)

    def made(step: Progress[Visualization]) -> SyntheticImage:
        shown = step.result()
        value, position = _extreme(net, shown.images, place, negative=negative)
        box = _box(field, position, _size(shown.images[0], net))
        return SyntheticImage(shown.images[0], value, bool(shown.uninformative), box)

    for step in iter_visualize(net, recipe):
        yield Progress(step.fraction, step.message, partial(made, step))


def _report(
    net: Net,
    data: LabelledDataset,
    place: LayerAddress,
    entry: UnitStatistics,
    made: tuple[SyntheticImage, SyntheticImage] | None,
    ngrams: tuple[BestNgrams, BestNgrams] | None = None,
) -> UnitReport:
    field = receptive_field(net, place)
    top = _patches(net, data, entry.top, field)
    return UnitReport(
        place=str(place),
        label=net.classes[int(place.unit or 0)] if _is_labelled(net, place, entry) else "",
        entry=entry,
        top=top,
        bottom=_patches(net, data, entry.bottom, field),
        maximizing=made[0] if made else None,
        minimizing=made[1] if made else None,
        percentile=entry.percentile(made[0].value) if made else None,
        field=field,
        effective=_effective(net, data, place, [patch.example.image for patch in top]),
        classes=data.classes,
        net=net,
        ngrams=ngrams,
    )


def open_index(folder: str | Path, net: Net, data: LabelledDataset) -> UnitIndex:
    """Read an index from its folder, and check that it is of this network over this data.

    Args:
        folder: the folder of the index.
        net: the network.
        data: the data.

    Returns:
        The index.

    Raises:
        DataError: there is none, or it is damaged.
        UsageError: it is of another network or other data.
    """
    index, facts = storage.read(folder), storage.fingerprint(net, data)
    differ = [name for name in facts if index.fingerprint.get(name) != facts[name]]
    if differ:
        raise UsageError(
            f"an index of {net.name} over {data.name} at {folder}",
            received=f"one of another {' and '.join(differ)}",
            hint="Make one: convscope units NETWORK --data DATA",
        )
    return index


def _holding(index: UnitIndex, place: LayerAddress) -> UnitIndex:
    """Return the given index if it holds the unit.

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


@takes_network
def resolve_unit(net: Net, place: str | LayerAddress) -> LayerAddress:
    """Resolve the address of one unit.

    Args:
        net: the network.
        place: the unit, without a position.

    Returns:
        The resolved address.

    Raises:
        PlaceError: there is no such unit, or the place is a layer or a single position.
    """
    wanted = resolve(net, place)
    if wanted.unit is None or wanted.position is not None:
        raise PlaceError(
            "one unit, like conv2:17", received=str(place), hint=f"Write {wanted.layer_text}:0 for the first."
        )
    return wanted


@takes_network
def find_cached_index(net: Net, data: LabelledDataset, place: LayerAddress, top_k: int) -> UnitIndex | None:
    """Return an index in the user's cache that holds the unit, with enough images at either end.

    Args:
        net: the network.
        data: the data.
        place: the unit.
        top_k: number of images that are needed at either end.

    Returns:
        The largest such index; None if there is none.
    """
    fits = (
        index
        for index in storage.cached_indexes(net, data)
        if place in index and index.fingerprint["k"] >= top_k
    )
    return next(fits, None)


@takes_network
def receptive_field(net: Net, place: LayerAddress) -> Field | None:
    """Return the receptive field of one position of a layer in the first input.

    Args:
        net: the network.
        place: the layer; unit and position are ignored.

    Returns:
        The field; None where no graph can be traced or the layer is not in it.
    """
    try:
        graph = describe(net).graph
    except (ConvscopeError, RuntimeError, TypeError, ValueError):
        return None
    fields = receptive_fields(graph)
    inside = [node.name for node in graph.nodes if node.name.startswith(f"{place.layer}.")]
    names = [place.layer_text.partition("[")[0], *inside[-1:]]
    if place.layer == RESULT and len(graph.outputs) == 1:
        names.append(graph.outputs[0])
    return next((fields[name] for name in names if name in fields), None)


def _extreme(
    net: Net, images: Shaped[Tensor, "1 *shape"], place: LayerAddress, *, negative: bool
) -> tuple[float, tuple[int, ...]]:
    """Return the largest (or smallest) value of the unit's feature map for an image, and where it is."""
    with torch.no_grad():
        act = place.select(record_float32(net, images, [place.layer_only])[place.layer_only])[0]
    flat = int(act.argmin() if negative else act.argmax())
    position = torch.unravel_index(torch.tensor(flat), act.shape) if act.dim() else ()
    return float(act.flatten()[flat]), tuple(int(k) for k in position)


def _patches(
    net: Net, data: LabelledDataset, examples: Sequence[Example], field: Field | None
) -> tuple[Patch, ...]:
    if not examples:
        return ()
    images = data.inputs([example.image for example in examples], net.input_spec)
    return tuple(
        Patch(example, image, _box(field, example.position, _size(image, net)))
        for example, image in zip(examples, images, strict=True)
    )


def _size(image: Tensor, net: Net) -> tuple[int, ...]:
    """Return the extents of an input beside its channels."""
    return tuple(image.shape[1:] if net.input_spec.has_channels else image.shape)


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
    net: Net, data: LabelledDataset, place: LayerAddress, first: Sequence[int]
) -> EffectiveReceptiveField | None:
    if not net.input_spec.size or net.input_spec.is_integer:
        return None
    numbers = list(dict.fromkeys([*first, *range(min(MEASURED, len(data)))]))[:MEASURED]
    try:
        found = effective_receptive_field(net, place, data.inputs(numbers, net.input_spec))
    except UsageError:  # no gradient exists, and without steps none is needed elsewhere
        return None
    return found if bool(found.influence.any()) else None  # inactive there for all of them


def _is_labelled(net: Net, place: LayerAddress, entry: UnitStatistics) -> bool:
    return place.layer == RESULT and len(net.classes) > int(place.unit or 0) and bool(entry.images)
