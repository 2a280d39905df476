"""How results are shown in notebooks and saved: the picture or table of each kind, as the terminal has it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from convscope import worlds
from convscope.errors import UsageError
from convscope.learn import Epoch, Evaluation, LRFinderResult, Pruning, Run, RunComparison, RunList
from convscope.nets import Description, Net
from convscope.recipe.result import Result, public_fields
from convscope.see import (
    Atlas,
    Comparison,
    DreamResult,
    EffectiveReceptiveField,
    Explanation,
    Factors,
    FeatureMaps,
    Filters,
    FoolingImages,
    InputEmbedding,
    LayerHealth,
    LayerSelection,
    Reconstruction,
    StyleResult,
    UnitIndex,
    UnitReport,
    Visualization,
)
from convscope.show import html
from convscope.show.images import contact_sheet, input_image, png, thumbnails
from convscope.show.images.contact_sheet import SheetRow, SheetTile, in_rows
from convscope.show.images.draw import diverging, flatten_alpha, tag, webp, with_longer_side
from convscope.show.images.feature_map import on_one_scale
from convscope.show.images.lr_curve import lr_curve
from convscope.show.pages import atlas, crop, factors, reconstruction, unit
from convscope.show.pages.explanation import attribution
from convscope.show.svg import element
from convscope.system.counting import counted
from convscope.use import Prediction
from convscope.worlds import DatasetReport, Placement, Sample
from convscope.worlds.images import rgb, to_pil

SIDE = 224
"""Height of the images of a sheet, in pixels."""
WIDEST = 1200
"""Largest width of a picture in a notebook, in pixels; files have all pixels."""
LOSSLESS = 60_000
"""Characters up to which a picture in a notebook is a PNG; larger ones are WebP."""
FEW = 5
"""Tiles up to which a sheet is one row."""
MOST_TILES = 32
"""Most tiles of a sheet of filters or feature maps."""
FIGURE = "margin:0;max-width:100%"
CAPTION = "font:14px/1.5 system-ui,sans-serif;opacity:.8"
CELL = "text-align:left;padding:.15em .8em .15em 0;font:14px/1.5 system-ui,sans-serif;vertical-align:top"


@dataclass(frozen=True)
class Drawing:
    """A result as people see it.

    Attributes:
        title: what it is, in one line.
        image: the picture; None for numbers alone.
        heads: names of the columns of the table.
        rows: its lines, as texts; none where the picture says it all.
        said: what one should know beside it, as sentences.
    """

    title: str
    image: Image.Image | None = None
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    said: tuple[str, ...] = ()

    def html(self) -> str:
        """Return picture, title and table as HTML, for notebooks."""
        image = self.image  # a sheet has its title inside
        title = element("figcaption", self.title, style=CAPTION)
        parts = [title if image is None else _picture(image, self.title)]
        if self.rows:
            head = element("tr", *(element("th", text, style=CELL) for text in self.heads))
            lines = [element("tr", *(element("td", text, style=CELL) for text in row)) for row in self.rows]
            parts.append(element("table", *([head] if any(self.heads) else []), *lines))
        parts += [element("p", sentence, style=CAPTION) for sentence in self.said]
        return str(element("figure", *parts, style=FIGURE))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the table as arrays of texts."""
        if not self.rows:
            return {}
        return {"table": np.asarray(self.rows), "heads": np.asarray(self.heads)}

    def write(self, path: Path, suffix: str, record: dict[str, Any]) -> None:
        """Write the picture or the page.

        Args:
            path: a file to replace.
            suffix: `.png` or `.html`.
            record: how the result was made; it is stored inside.

        Raises:
            UsageError: there is no picture.
        """
        if suffix == ".html":
            page = html.render(
                "result/result.html.j2",
                page="result",
                title=self.title,
                body=Markup(self.html()),
                record=record,
            )
            path.write_text(page, encoding="utf-8")
        elif self.image is None:
            raise UsageError(
                "a result with a picture, for .png", received=self.title, hint="Save it as .html or .npz."
            )
        else:
            png.save(flatten_alpha(self.image), path, record)


@singledispatch
def drawing(result: Result) -> Drawing:
    """Draw a result; kinds of results of other packages are added with `drawing.register`.

    Args:
        result: what a public function returned.

    Returns:
        Its picture or table; for a kind without one the table of its fields.
    """
    pairs = public_fields(result)
    rows = [(name.replace("_", " "), text) for name, value in pairs if (text := _plain(value))]
    return Drawing(type(result).__name__, rows=tuple(rows), heads=("", ""))


def write(result: Result, path: Path, suffix: str, record: dict[str, Any]) -> None:
    """Write a result to a file.

    Args:
        result: what a public function returned.
        path: a file to replace.
        suffix: `.png` for the picture, `.html` for picture or table, `.npz` for the numbers.
        record: how the result was made; it is stored inside.

    Raises:
        UsageError: the result has no picture.
    """
    made = drawing(result)
    if suffix == ".npz":
        _save_arrays(path, {**arrays(result), **made.arrays()}, record)
    else:
        made.write(path, suffix, record)


def arrays(result: Any, prefix: str = "") -> dict[str, np.ndarray]:
    """Return the numbers and texts of a result as arrays, by the names of its fields.

    Args:
        result: a dataclass; of other dataclasses in it the fields are `name.field`.
        prefix: put before every name.

    Returns:
        Arrays of numbers and texts; what is neither (networks, functions) is left out.
    """
    found: dict[str, np.ndarray] = {}
    for name, value in public_fields(result):
        if hasattr(value, "detach"):
            tensor = value.detach().cpu()
            found[prefix + name] = np.asarray(tensor.float() if tensor.is_floating_point() else tensor)
        elif isinstance(value, str | int | float | Path):
            found[prefix + name] = np.asarray(str(value) if isinstance(value, Path) else value)
        elif isinstance(value, tuple) and value and all(hasattr(one, "detach") for one in value):
            found |= {f"{prefix}{name}.{k}": np.asarray(one.detach().cpu()) for k, one in enumerate(value)}
        elif isinstance(value, tuple) and all(isinstance(one, str | int | float) for one in value):
            found[prefix + name] = np.asarray(value)
        elif is_dataclass(value) and not hasattr(value, "module"):
            found |= arrays(value, f"{prefix}{name}.")
    return found


def _save_arrays(path: Path, found: dict[str, np.ndarray], record: dict[str, Any]) -> None:
    """Write arrays in NumPy's format, with the record as a text named `recipe`."""
    with path.open("wb") as file:
        text: Any = np.asarray(json.dumps(record, ensure_ascii=True))
        np.savez_compressed(file, allow_pickle=False, **found, recipe=text)


def _plain(value: object) -> str:
    """Return a value of a table; empty for what has no short text."""
    if isinstance(value, bool | int | str | Path):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list) and all(isinstance(one, int | float | str) for one in value):
        return ", ".join(filter(None, map(_plain, value)))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    return ""


def _picture(image: Image.Image, alt: str) -> Markup:
    """Return an image for a page: lossless where it is small, else as WebP."""
    shown = flatten_alpha(image)
    if shown.width > WIDEST:
        shown = shown.resize((WIDEST, round(shown.height * WIDEST / shown.width)), Image.Resampling.LANCZOS)
    made = tag(shown, alt, "photo")
    made = made if len(made) < LOSSLESS else webp(shown, alt, 88)
    return Markup(str(made).replace("<img ", '<img style="max-width:100%;height:auto" ', 1))


def _tile(net: Net, tensor: Any, name: str, *notes: str) -> SheetTile:
    """Return an input of a network as a tile."""
    return SheetTile(with_longer_side(worlds.render(tensor, net.input_spec), SIDE), name, notes)


def _sheet(tiles: Sequence[SheetTile], title: str, columns: int | None = None) -> Image.Image:
    return contact_sheet.compose(
        in_rows(tiles, columns or (len(tiles) if len(tiles) <= FEW else None)), title=title
    )


def _named(net: Net, place: str) -> str:
    """Return the name of a unit of the output, where it has one, else its address."""
    head, _, unit_text = place.rpartition(":")
    number, _, rest = unit_text.partition(" ")
    if head.lstrip("-") == "output" and number.isdecimal() and int(number) < len(net.classes):
        return " ".join(filter(None, [net.classes[int(number)].split(",")[0], rest]))
    return place


@drawing.register
def _(result: Visualization) -> Drawing:
    lines = zip(result.images, result.captions, result.clean_scores.tolist(), strict=True)
    tiles = [
        _tile(result.net, image, _named(result.net, name), f"{score:.3g}") for image, name, score in lines
    ]
    title = f"What excites units of {result.net.name}"
    if not result.recipe.both:
        return Drawing(title, _sheet(tiles, title))
    down = result.minimized
    up, low = ([tile for tile, below in zip(tiles, down, strict=True) if below is k] for k in (False, True))
    rows = contact_sheet.in_pairs(up, low, result.recipe.variants)
    return Drawing(title, contact_sheet.compose(rows, title=title))


@drawing.register
def _(result: FoolingImages) -> Drawing:
    lines = zip(result.images, result.labels, result.confidences, strict=True)
    tiles = [_tile(result.net, image, label.split(",")[0], f"{share:.1%}") for image, label, share in lines]
    title = f"Noise that {result.net.name} is sure about"
    return Drawing(title, _sheet(tiles, title))


@drawing.register
def _(result: InputEmbedding) -> Drawing:
    title = f"Inputs by {result.place} of {result.net.name}"
    return Drawing(title, thumbnails.map_sheet(result))


@drawing.register
def _(result: Reconstruction) -> Drawing:
    what = "kept of a picture" if result.exact else "see in a picture, exaggerated"
    title = f"What the layers of {result.net.name} {what}"
    return Drawing(title, reconstruction.sheet(result, result.net, title))


@drawing.register
def _(result: DreamResult) -> Drawing:
    before, after = (
        flatten_alpha(worlds.render(image, result.net.input_spec))
        for image in (result.original, result.image)
    )
    side = min(max(after.height, 160), 480)
    row = SheetRow([SheetTile(before, notes=["before"]), SheetTile(after, notes=["after"])])
    title = f"A dream of {result.net.name}: {', '.join(result.layers)}"
    return Drawing(title, contact_sheet.compose([row], title=title, side=side))


@drawing.register
def _(result: StyleResult) -> Drawing:
    tiles = [SheetTile(to_pil(result.content), "content"), SheetTile(to_pil(result.image), "result")]
    title = f"Painted with {result.settled.net}"
    return Drawing(title, contact_sheet.compose([SheetRow(tiles)], title=title, side=320))


@drawing.register
def _(result: Explanation) -> Drawing:
    tiles = []
    for row, target in enumerate(result.targets):
        photo = attribution.photo_of(result, row)
        pixels = result.task.inputs[0]
        if photo is not None and (row == 0 or not bool((pixels[row] == pixels[row - 1]).all())):
            tiles.append(SheetTile(attribution.scaled(photo, result, SIDE), "the input"))
        value = f"{float(result.probabilities[row]):.3g}"
        tiles.append(SheetTile(attribution.heat_picture(result, row, SIDE), target.split(",")[0], [value]))
    title = f"Where {result.task.net.name} looks: {result.method.title}"
    whole = result.task.whole or result.task
    return Drawing(title, _sheet(tiles, title), said=_crops(result.placements, whole.net))


@drawing.register
def _(result: Factors) -> Drawing:
    title = f"{counted(len(result), 'group')} of units of {result.place} of {result.net.name}"
    return Drawing(title, factors.sheet(result, result.inputs, result.net))


@drawing.register
def _(result: Atlas) -> Drawing:
    return Drawing(f"An atlas of {result.place} of {result.net.name}", atlas.sheet(result, result.net))


@drawing.register
def _(result: UnitReport) -> Drawing:
    name = f"{result.place} ({result.label})" if result.label else result.place
    return Drawing(f"{name} of {result.net.name}", unit.sheet(result, result.net))


@drawing.register
def _(result: FeatureMaps) -> Drawing:
    most = MOST_TILES if result.maps.dim() == 3 else 5
    units = result.strongest(most)
    names = [result.names[k].split(",")[0] if result.names else f":{k}" for k in units]
    values = [f"{float(result.strengths[k]):.3g}" for k in units]
    zero, alike = counted(result.zero_maps, "is", "are"), result.alike(most)
    title = f"{result.place}: the strongest of {counted(len(result.maps), 'unit')}, {zero} 0 everywhere"
    title += f", {alike} almost the same" if alike else ""
    if result.maps.dim() != 3:
        return Drawing(title, heads=("unit", "value"), rows=tuple(zip(names, values, strict=True)))
    drawn = on_one_scale(result.maps.float().cpu().numpy(), units)
    images = [with_longer_side(image, SIDE // 2) for image in drawn]
    tiles = [
        SheetTile(image, name, [value]) for image, name, value in zip(images, names, values, strict=True)
    ]
    return Drawing(title, _sheet(tiles, title))


@drawing.register
def _(result: Filters) -> Drawing:
    if result.pictures.dim() == 4:
        images = [rgb(one) for one in result.pictures[:MOST_TILES]]
    else:
        images = [diverging(2 * one.mean(0) - 1) for one in result.pictures[:MOST_TILES]]
    tiles = [SheetTile(with_longer_side(one, SIDE // 2), notes=[f":{k}"]) for k, one in enumerate(images)]
    more = f", the first {len(images)}" if len(images) < len(result.pictures) else ""
    title = f"{counted(len(result.pictures), 'filter')} of {result.place}{more}"
    return Drawing(title, _sheet(tiles, title))


@drawing.register
def _(result: EffectiveReceptiveField) -> Drawing:
    picture = with_longer_side(input_image.heat(result.influence), 2 * SIDE)
    images = counted(result.images, "image")
    title = f"Which pixels {result.place} depends on, over {images}: {result.size:.1f} across"
    return Drawing(title, contact_sheet.compose([SheetRow([SheetTile(picture)])], title=title))


@drawing.register
def _(result: LayerHealth) -> Drawing:
    facts = (result.units, len(result.dead), len(result.saturated), len(result.redundant))
    row = (result.place, *map(str, facts), f"{result.inactive_share:.1%}")
    heads = ("layer", "units", "dead", "saturated", "redundant", "inactive")
    return Drawing(f"{result.place} over {counted(result.images, 'image')}", heads=heads, rows=(row,))


@drawing.register
def _(result: UnitIndex) -> Drawing:
    rows = [
        (
            layer.place,
            f"{layer.units:,}",
            "x".join(map(str, layer.size)),
            str(int(result.dead(layer.place).sum())),
            str(int(result.saturated(layer.place).sum())),
        )
        for layer in result.layers
    ]
    heads = ("layer", "units", "map", "dead", "saturated")
    return Drawing(f"Units over {counted(len(result.labels), 'image')}", heads=heads, rows=tuple(rows))


@drawing.register
def _(result: Comparison) -> Drawing:
    facts = (result.synthetic, result.best, result.mean, result.start, result.noise)
    row = (result.place, *(f"{value:.3g}" for value in facts), f"{result.percentile:.1f}%")
    heads = ("target", "made for it", "best real", "mean real", "start", "noise", "beats of the real")
    return Drawing(f"{result.place} on real and made images", heads=heads, rows=(row,))


@drawing.register
def _(result: LayerSelection) -> Drawing:
    field = "everything" if result.covers_input else "x".join(map(str, result.receptive_field or ("?",)))
    row = ("x".join(map(str, result.shape)), field, ", ".join(map(str, result.units)))
    return Drawing(result.layer, heads=("shape", "sees, in pixels", "units"), rows=(row,))


@drawing.register
def _(result: Prediction) -> Drawing:
    lines = zip(result.labels, result.probabilities, strict=True)
    rows = tuple((label, f"{share:.1%}") for label, share in lines)
    return Drawing(result.source, heads=("class", "probability"), rows=rows)


def _crops(placements: Sequence[Placement | None], net: Net) -> tuple[str, ...]:
    """Say how much of cropped photographs a network sees, in a sentence; nothing where none is."""
    found = crop.sentences_on_files(placements, net.input_spec) if placements else []
    return tuple(sentence["en"] for sentence in found)


@drawing.register
def _(result: Description) -> Drawing:
    heads = ("layer", "kind", "output", "parameters", "MACs", "field", "stride")
    rows = tuple(tuple(layer.cells()) for layer in result.layers if not layer.plumbing)
    return Drawing(f"{result.name}: {result.summary()}", heads=heads, rows=rows)


@drawing.register
def _(result: Sample) -> Drawing:
    shape = "x".join(map(str, result.input.shape))
    low, high = float(result.input.min()), float(result.input.max())
    title = f"An input of {shape}, values from {low:.3g} to {high:.3g}"
    found = result.original if isinstance(result.original, Image.Image) else None
    if found is None:
        return Drawing(title, heads=("lowest", "highest"), rows=((f"{low:.3g}", f"{high:.3g}"),))
    return Drawing(title, _sheet([SheetTile(with_longer_side(found, SIDE), "as it was opened")], title))


@drawing.register
def _(result: DatasetReport) -> Drawing:
    counts = {name or "all": sum(classes.values()) for name, classes in result.pictures.items()}
    facts = [*((name, f"{count:,} {result.things}") for name, count in counts.items())]
    facts += [("unreadable", one.path) for one in result.problems]
    facts += [("equal", ", ".join(one.paths)) for one in result.duplicates]
    facts += [("fault", text) for text in result.faults] + [("remark", text) for text in result.remarks]
    return Drawing(result.folder, heads=("", ""), rows=tuple(facts))


@drawing.register
def _(result: Evaluation) -> Drawing:
    counts = result.confusion.tolist()
    rows = tuple((name, *map(str, row)) for name, row in zip(result.classes, counts, strict=True))
    return Drawing(" ".join(result.summary), heads=("truth", *result.classes), rows=rows)


@drawing.register
def _(result: Epoch) -> Drawing:
    return Drawing(f"Epoch {result.index} of {result.epochs}", **_epochs([result]))


@drawing.register
def _(result: LRFinderResult) -> Drawing:
    return Drawing(result.summary, lr_curve(result))


@drawing.register
def _(result: Run) -> Drawing:
    return Drawing(f"{result.recipe.verb} in {result.folder}", **_epochs(result.epochs))


@drawing.register
def _(result: RunList) -> Drawing:
    rows = [
        (
            run.name,
            run.network,
            run.data,
            f"{len(run.run.epochs)}/{run.run.recipe.epochs}",
            f"{run.primary.heading} {run.primary.text(run.test_metrics)}" if run.primary else "",
            f"{run.changed:%Y-%m-%d %H:%M}",
            run.status,
        )
        for run in result.runs
    ]
    rows += [(bad.name, "", "", "", "", "", f"damaged: {bad.reason}") for bad in result.damaged]
    heads = ("run", "network", "data", "epochs", "test", "changed", "")
    return Drawing(f"Trainings in {result.folder}", heads=heads, rows=tuple(rows))


@drawing.register
def _(result: RunComparison) -> Drawing:
    names = tuple(run.name for run in result.runs)
    rows = [(spec.heading, *(spec.text(run.test_metrics) for run in result.runs)) for spec in result.specs]
    rows += [(name, *(_plain(value) for value in values)) for name, values in result.settings.items()]
    return Drawing(" ".join(result.summary), heads=("", *names), rows=tuple(rows))


@drawing.register
def _(result: Pruning) -> Drawing:
    rows = [
        (item.name, item.kind, f"{item.size:,}", "removed" if item.removed else item.kept)
        for item in result.items
    ]
    title = f"{result.size:,} bytes of the runs in {result.found.folder}"
    return Drawing(title, heads=("run", "what", "bytes", ""), rows=tuple(rows))


def _epochs(epochs: Sequence[Epoch]) -> dict[str, Any]:
    """Return heads and rows of a table of epochs."""
    metrics = [
        {**e.metrics, **{f"test {name}": value for name, value in e.test_metrics.items()}} for e in epochs
    ]
    names = tuple(dict.fromkeys(name for one in metrics for name in one))
    rows = [
        (str(e.index), *("" if (value := one.get(name)) is None else f"{value:.4g}" for name in names))
        for e, one in zip(epochs, metrics, strict=True)
    ]
    return {"heads": ("epoch", *names), "rows": tuple(rows)}
