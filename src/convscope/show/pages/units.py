"""All units of an index as one HTML page: a list that can be sorted, filtered and searched."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image

from convscope import worlds
from convscope.graph import Field
from convscope.nets import LayerAddress, Net
from convscope.see.units import Redundancy, UnitIndex, overrepresented, receptive_field
from convscope.show import html, tinted
from convscope.show.graphs.static import KEY
from convscope.show.images import input_image
from convscope.show.images.sprite import Sprite, sprite
from convscope.show.pages import crop
from convscope.show.report.i18n import bilingual, bilingual_of, texts
from convscope.worlds import LabelledDataset, Piece

SHOWN = 4
"""Images of each unit in the list, those with its largest values."""
BUDGET = 1_500_000
"""Most bytes of all small images together."""
WORDS = "units.js."
"""Prefix of the keys of the texts that the page's script inserts."""
LONGEST = 60
"""Most characters of a text in the list."""
DEAD, SATURATED, REDUNDANT = 1, 2, 4
"""Flags of a unit."""


def page(
    index: UnitIndex,
    redundancy: Redundancy,
    net: Net,
    data: LabelledDataset,
    *,
    command: str,
    unit_command: tuple[str, str],
    pages: Mapping[str, str],
    recipe: Mapping[str, object],
) -> str:
    """Render all units of an index as a self-contained HTML page in English and Chinese.

    Only the rows in view are in the document, so that ten thousand units scroll like ten.

    Args:
        index: statistics and examples of every unit.
        redundancy: units that say the same as an earlier one.
        net: the network.
        data: the images that were indexed.
        command: the terminal command that makes the page again; printed on it.
        unit_command: what stands before and after a unit's address in the command that makes its page.
        pages: addresses of units that have a page already, with its place relative to this one.
        recipe: stored inside the page, for `convscope replay`.

    Returns:
        The HTML document.
    """
    layers = [_layer(index, redundancy, layer.place) for layer in index.layers]
    wanted = _wanted(index)
    ngrams = _ngrams(index, net, data)
    wanted = wanted[:1] if ngrams else wanted
    tiles = sprite(len(wanted), lambda numbers: _pictures(data, [wanted[i] for i in numbers]), BUDGET)
    document = _document(index, redundancy, net, tiles, wanted[: tiles.shown])
    document |= {"pages": dict(pages), "command": list(unit_command), "ngrams": ngrams}
    return html.render(
        "units/units.html.j2",
        page="units",
        parts=("units",),
        contents=[(name, bilingual(f"units.{name}.title")) for name in ("list", "layers")],
        unfinished=False,
        notes=[bilingual_of(line, tag="p") for line in crop.sentences_on_data(data)],
        values={"net": net.name, "data": data.name, **_counts(index, redundancy, tiles), **html.made_with()},
        facts=_facts(index, layers),
        layers=layers,
        command=command,
        data=document,
        sprite=tiles,
        ink=input_image.kind(net.input_spec),
        recipe=recipe,
        key=KEY,
    )


def _counts(index: UnitIndex, redundancy: Redundancy, tiles: Sprite) -> dict[str, Any]:
    """Return the numbers that the page's sentences name."""
    return {
        "units": f"{len(index):,}",
        "images": f"{index.fingerprint['images']:,}",
        "compared": f"{redundancy.images:,}",
        "kept": index.fingerprint["k"],
        "shown": min(SHOWN, int(index.fingerprint["k"])),
        "pictures": f"{tiles.shown:,}",
        "problems": len(index.problems),
    }


def _facts(index: UnitIndex, layers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    counted = [(name, sum(layer[name] for layer in layers)) for name in ("dead", "saturated", "redundant")]
    return [
        ("units.fact.units", f"{len(index):,}"),
        ("units.fact.layers", f"{len(layers):,}"),
        *((f"units.fact.{name}", f"{count:,}") for name, count in counted),
        ("units.fact.images", f"{index.fingerprint['images']:,}"),
    ]


def _layer(index: UnitIndex, redundancy: Redundancy, place: str) -> dict[str, Any]:
    """Return what the table of layers says of one."""
    rows, layer = index.rows(place), index.layer(place)
    inactive = index.accumulator.inactive[rows] / index.accumulator.images[rows].clamp_min(1)
    return {
        "place": place,
        "units": layer.units,
        "map": "×".join(map(str, layer.size)),
        "dead": int(index.dead(place).sum()),
        "saturated": int(index.saturated(place).sum()),
        "redundant": len(redundancy.layers.get(place, ())),
        "inactive": f"{100 * float(inactive.mean()):.0f}%",
    }


def _wanted(index: UnitIndex) -> list[int]:
    """Return the images that units have among their largest, the best of every unit first."""
    ranked = index.accumulator.top.images[:, :SHOWN].T.flatten()
    counts = Counter(image for image in ranked.tolist() if image >= 0)
    first = {image: at for at, image in reversed(list(enumerate(ranked.tolist())))}
    units = max(len(index), 1)
    return sorted(counts, key=lambda image: (first[image] // units, -counts[image], image))


def _pictures(data: LabelledDataset, numbers: Sequence[int]) -> list[Image.Image]:
    images = data.inputs(list(numbers))
    return [worlds.render(image, data.spec) for image in images]


def _ngrams(index: UnitIndex, net: Net, data: LabelledDataset) -> list[list[str]]:
    """Return what each unit sees of the texts of its largest values, each once; [] without texts."""
    spec = net.input_spec
    kept = sorted(
        {image for image in index.accumulator.top.images[:, :SHOWN].flatten().tolist() if image >= 0}
    )
    inputs = dict(zip(kept, data.inputs(kept, spec), strict=True)) if spec.is_integer else {}
    pieces = {image: tinted.pieces_of([tensor], [spec]) for image, tensor in inputs.items()}
    if not any(pieces.values()):
        return []
    found = []
    for layer in index.layers:
        field, rows = receptive_field(net, LayerAddress.parse(layer.place)), index.rows(layer.place)
        for row in range(rows.start, rows.stop):
            images = index.accumulator.top.images[row, :SHOWN].tolist()
            spots = index.accumulator.top.flat_positions[row, :SHOWN].tolist()
            seen = [
                _ngram(pieces[image], field, _position(spot, layer.size))
                for image, spot in zip(images, spots, strict=True)
                if image >= 0
            ]
            found.append(list(dict.fromkeys(seen)))
    return found


def _ngram(pieces: Sequence[Piece], field: Field | None, position: tuple[int, ...]) -> str:
    """Return the words in a receptive field; the beginning of the text where it is all of it."""
    spans = field.box(position) if field is not None and len(position) == len(field.positions) == 1 else None
    low, high = spans[0] if spans else (0, 10**9)
    text = "".join(p.text + p.gap for p in pieces if p.first < high and p.last > low).strip()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _document(
    index: UnitIndex, redundancy: Redundancy, net: Net, tiles: Sprite, shown: Sequence[int]
) -> dict[str, Any]:
    """Collect what the page's script draws from, ready for JSON: a column of numbers for each quantity."""
    accumulator = index.accumulator
    flags = torch.zeros(len(index), dtype=torch.int64)
    partners: dict[int, tuple[int, float]] = {}
    for layer in index.layers:
        rows = index.rows(layer.place)
        flags[rows] += DEAD * index.dead(layer.place) + SATURATED * index.saturated(layer.place)
        for unit in redundancy.layers.get(layer.place, ()):
            flags[rows.start + unit.unit] += REDUNDANT
            partners[rows.start + unit.unit] = (unit.earlier, round(unit.correlation, 3))
    inactive = accumulator.inactive / accumulator.images.clamp_min(1)
    return {
        "layers": [
            [layer.place, layer.units, _labels(net, layer.place, layer.units)] for layer in index.layers
        ],
        "peaks": [
            float(f"{value:.4g}") for value in accumulator.top.values[:, 0].nan_to_num(0, 0, 0).tolist()
        ],
        "inactive": [round(100 * share, 1) for share in inactive.tolist()],
        "flags": flags.tolist(),
        "partners": {str(unit): list(partner) for unit, partner in partners.items()},
        "classes": list(index.classes),
        "common": _common(index),
        "side": tiles.side,
        "columns": tiles.columns,
        "down": tiles.rows,
        **_examples(index, net, {image: at for at, image in enumerate(shown)}),
        "words": {
            key.removeprefix(WORDS): dict(text) for key, text in texts().items() if key.startswith(WORDS)
        },
    }


def _labels(net: Net, place: str, units: int) -> list[str]:
    """Return the names of a layer's units: those of the classes, for the network's result; else none."""
    return list(net.classes) if place == "output" and len(net.classes) == units else []


def _common(index: UnitIndex) -> list[list[int]]:
    """Return for each unit the overrepresented class of its kept images, the largest count, and of how many.

    Where no class leads by more than chance (`see.units.overrepresented`), it is -1.
    """
    found, sizes = [], index.accumulator.members.long()
    for unit, row in enumerate(index.accumulator.top.images):
        labels = index.labels[row[row >= 0]]
        leading = overrepresented(labels, sizes[:, unit])
        most = int(labels.bincount().max()) if len(labels) else 0
        found.append([-1 if leading is None else leading, most, len(labels)])
    return found


def _examples(index: UnitIndex, net: Net, tiles: Mapping[int, int]) -> dict[str, list[Any]]:
    """Return the tiles of each unit's best images, and what part of each the unit sees there, in per cent."""
    numbers: list[list[int]] = []
    boxes: list[list[list[int]]] = []
    extent = net.input_spec.size
    for layer in index.layers:
        field = receptive_field(net, LayerAddress.parse(layer.place))
        rows = index.rows(layer.place)
        known: dict[tuple[int, ...], list[int]] = {}
        for row in range(rows.start, rows.stop):
            images = index.accumulator.top.images[row, :SHOWN].tolist()
            spots = index.accumulator.top.flat_positions[row, :SHOWN].tolist()
            kept = [(tiles[i], spot) for i, spot in zip(images, spots, strict=True) if i in tiles]
            numbers.append([tile for tile, _ in kept])
            boxes.append([_box(field, _position(spot, layer.size), extent, known) for _, spot in kept])
    return {"tiles": numbers, "boxes": boxes}


def _position(spot: int, size: Sequence[int]) -> tuple[int, ...]:
    """Return the indices of a flat position of a map."""
    found: list[int] = []
    for along in reversed(size):
        spot, at = divmod(spot, along)
        found.insert(0, at)
    return tuple(found)


def _box(
    field: Field | None,
    position: tuple[int, ...],
    extent: Sequence[int],
    known: dict[tuple[int, ...], list[int]],
) -> list[int]:
    """Return left, top, width and height of a receptive field in per cent; empty for (almost) all of it."""
    if field is None or len(field.axes) != 2 or len(position) != len(field.positions):
        return []
    if position not in known:
        spans = field.box(position)
        side = max(extent)
        left_over = [(side - along) / 2 for along in extent]  # images lie in the middle of square tiles
        ends = (
            []
            if spans is None
            else [
                (100 * (low + gap) / side, 100 * (high + gap) / side)
                for (low, high), gap in zip(spans, left_over, strict=True)
            ]
        )
        whole = not ends or all(high - low > 90 for low, high in ends)
        known[position] = (
            []
            if whole
            else [
                round(value)
                for value in (ends[1][0], ends[0][0], ends[1][1] - ends[1][0], ends[0][1] - ends[0][0])
            ]
        )
    return known[position]
