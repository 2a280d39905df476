"""The report of one unit as one HTML page and as one image."""

from collections.abc import Mapping
from datetime import date

import torch
from PIL import Image, ImageDraw, ImageFont

import convscope
from convscope import worlds
from convscope.graph.spec import TensorSpec
from convscope.nets import Net
from convscope.see.units import Patch, UnitReport
from convscope.show.images import input_image
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.network import unit as figures
from convscope.show.report.i18n import bilingual
from convscope.show.report.report import Report, render

SHEET, GAP, TILE, LARGE = (247, 246, 242), 12, 104, 224
INK, SOFT = (31, 32, 35), (92, 94, 102)


def page(portrait: UnitReport, net: Net, *, data: str, command: str, seed: int = 0, skipped: int = 0) -> str:
    """Render the report of one unit as a self-contained HTML page in English and Chinese.

    Args:
        portrait: synthetic images, dataset examples and statistics of the unit.
        net: the network.
        data: name of the data set that was searched.
        command: the terminal command that makes the page again; printed on it.
        seed: of the synthetic images; printed on the page.
        skipped: how many images of the data set could not be read.

    Returns:
        The HTML document.
    """
    spec, entry = net.input_spec, portrait.entry
    found: list[Figure | None] = [
        figures.wanted(portrait, spec, command),
        figures.patches(portrait, spec, command),
        figures.patches(portrait, spec, command, bottom=True),
        figures.histogram(portrait, command),
        figures.classes(portrait, command) if len(portrait.classes) > 1 else None,
        figures.field(portrait, spec, command),
    ]
    section = Section("unit.head", tuple(figure for figure in found if figure is not None))
    facts = [
        ("unit.fact.percentile", f"{portrait.percentile:.1f}%"),
        ("unit.fact.best", figures.number(portrait.top[0].example.value)),
        ("unit.fact.silent", f"{100 * entry.inactive_fraction:.1f}%"),
        ("unit.fact.state", bilingual(f"unit.state.{state(portrait)}")),
    ]
    name = f"{portrait.place} ({portrait.label})" if portrait.label else portrait.place
    values: Mapping[str, object] = {
        "place": name,
        "net": net.name,
        "data": data,
        "images": f"{entry.images:,}",
        "seed": seed,
        "version": convscope.__version__,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "skipped": skipped,
    }
    return render(Report((section,), command, facts, values, page="unit"))


def state(portrait: UnitReport) -> str:
    """Classify a unit as dead, saturated or alive.

    Args:
        portrait: of the unit.

    Returns:
        `dead`, `saturated` or `alive`.
    """
    return "dead" if portrait.entry.dead else "saturated" if portrait.entry.saturated else "alive"


def sheet(portrait: UnitReport, net: Net) -> Image.Image:
    """Draw the report of one unit as one image.

    Args:
        portrait: synthetic images, dataset examples and statistics of the unit.
        net: the network; its spec states the value range.

    Returns:
        The sheet in RGB. The first row holds the maximising image and the real examples of largest
        activation, the second the minimising image and those of smallest; each example as patch and as the
        whole image with the patch outlined.
    """
    columns = max(len(portrait.top), len(portrait.bottom), 5)
    right = 2 * GAP + LARGE
    width = right + columns * (TILE + GAP) + GAP
    height = 64 + 2 * (LARGE + 36) + GAP
    paper = Image.new("RGB", (width, height), SHEET)
    draw = ImageDraw.Draw(paper)
    title = f"{portrait.place}{f' ({portrait.label})' if portrait.label else ''} of {net.name}"
    draw.text((GAP, 10), title, fill=INK, font=ImageFont.load_default(20))
    draw.text((GAP, 38), _summary(portrait), fill=SOFT, font=ImageFont.load_default(12))
    for row, (made, patches, name) in enumerate(
        (
            (portrait.maximizing, portrait.top, "made for it"),
            (portrait.minimizing, portrait.bottom, "made against it"),
        )
    ):
        y = 64 + row * (LARGE + 36)
        paper.paste(input_image.fitted(worlds.render(made.picture, net.input_spec), LARGE), (GAP, y))
        text = f"{name}: {made.value:.3g}{', no gradient' if made.silent else ''}"
        draw.text((GAP, y + LARGE + 4), text, fill=SOFT, font=ImageFont.load_default(12))
        for column, patch in enumerate(patches):
            _column(paper, patch, portrait, net.input_spec, (right + column * (TILE + GAP), y))
    return paper


def _column(
    paper: Image.Image, patch: Patch, portrait: UnitReport, spec: TensorSpec, at: tuple[int, int]
) -> None:
    """Draw one real example at (x, y): the patch, below it the whole image, then class and activation."""
    x, y = at
    crop, whole = (worlds.render(picture, spec) for picture in (patch.crop, patch.picture))
    paper.paste(input_image.fitted(crop, TILE), (x, y))
    paper.paste(input_image.outlined(whole, patch.box, TILE), (x, y + TILE + GAP))
    words = f"{portrait.classes[patch.example.label]}: {patch.example.value:.3g}"
    ImageDraw.Draw(paper).text(
        (x, y + 2 * TILE + GAP + 8), words[:18], fill=SOFT, font=ImageFont.load_default(11)
    )


def _summary(portrait: UnitReport) -> str:
    """Format the unit's statistics over the real images in one line."""
    entry = portrait.entry
    return (
        f"{entry.images:,} real images: peaks up to {entry.top[0].value:.3g}, silent for"
        f" {100 * entry.inactive_fraction:.1f}%; the image made for it beats "
        f"{portrait.percentile:.1f}% of them"
    )
