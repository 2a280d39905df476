"""The report of one unit as one HTML page and as one image."""

from collections.abc import Mapping, Sequence

from PIL import Image

from convscope import worlds
from convscope.graph import TensorSpec
from convscope.nets import Net
from convscope.see.units import Patch, UnitReport
from convscope.show import html
from convscope.show.images import contact_sheet, input_image
from convscope.show.images.contact_sheet import PAPER, SheetRow, SheetTile
from convscope.show.report.figure import Figure, Section
from convscope.show.report.figures.network import unit as figures
from convscope.show.report.figures.network import unit_texts as texts
from convscope.show.report.i18n import Text, bilingual
from convscope.show.report.report import Report, render
from convscope.system.counting import percent_short_of

READ = ("large: made for the unit", "above: what it sees", "below: the whole input", "class: value")
"""How to read a row of the sheet."""
LARGE, SMALL = 224, 106
"""Sides of synthetic and of real images, in pixels; two real ones and a gap are as high as the former."""


def page(
    portrait: UnitReport,
    net: Net,
    *,
    data: str,
    command: str,
    seed: int = 0,
    skipped: int = 0,
    notes: Sequence[Text] = (),
) -> str:
    """Render the report of one unit as a self-contained HTML page in English and Chinese.

    Args:
        portrait: synthetic images, dataset examples and statistics of the unit.
        net: the network.
        data: name of the data set that was searched.
        command: the terminal command that makes the page again; printed on it.
        seed: of the synthetic images; printed on the page.
        skipped: how many images of the data set could not be read.
        notes: sentences on these images.

    Returns:
        The HTML document.
    """
    spec, entry = net.input_spec, portrait.entry
    words = texts.is_text(portrait)
    patches = texts.patches if words else figures.patches
    found: list[Figure | None] = [
        texts.ngrams(portrait, command) if words else figures.wanted(portrait, spec, command),
        patches(portrait, spec, command),
        patches(portrait, spec, command, bottom=True),
        figures.histogram(portrait, command),
        figures.classes(portrait, command) if int((entry.class_sizes > 0).sum()) > 1 else None,
        figures.field(portrait, spec, command),
    ]
    prefix = "unit_text" if words else "unit"
    section = Section(f"{prefix}.head", tuple(figure for figure in found if figure is not None))
    percentile = portrait.percentile
    facts = [
        *(
            []
            if percentile is None
            else [(f"{prefix}.fact.percentile", f"{percent_short_of(percentile / 100)}%")]
        ),
        (f"{prefix}.fact.best", figures.number(portrait.top[0].example.value)),
        (f"{prefix}.fact.active", f"{percent_short_of(1 - entry.inactive_share)}%"),
        (f"{prefix}.fact.state", bilingual(f"unit.state.{state(portrait)}")),
    ]
    name = f"{portrait.place} ({portrait.label})" if portrait.label else portrait.place
    values: Mapping[str, object] = {
        "place": name,
        "net": net.name,
        "data": data,
        "images": f"{entry.images:,}",
        "seed": seed,
        **html.made_with(),
        "skipped": skipped,
    }
    return render(Report((section,), command, prefix, facts, values, notes=notes))


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
        activation, the second the minimising image and those of smallest. Of synthetic images it shows the
        receptive field; of each example that patch, and the whole image with the patch outlined.
    """
    rows = []
    if texts.is_text(portrait):
        return texts.sheet(portrait, net, _summary(portrait))
    ends = [(portrait.maximizing, portrait.top, "maximised", "largest peaks")]
    if not figures.is_floor(portrait):
        ends.append((portrait.minimizing, portrait.bottom, "minimised", "smallest values"))
    for made, patches, name, end in ends:
        tiles = []
        if made is not None:
            large = input_image.fitted(worlds.render(made.crop, net.input_spec), LARGE)
            text = f"{figures.number(made.value)}{', no gradient' if made.no_gradient else ''}"
            tiles.append(SheetTile(large, f"{name}: {text}"))
        examples = [_example(patch, portrait, net.input_spec) for patch in patches]
        rows.append(SheetRow([*tiles, *examples], end, READ))
    title = f"{portrait.place}{f' ({portrait.label})' if portrait.label else ''} of {net.name}"
    return contact_sheet.compose(rows, title=title, note=_summary(portrait))


def _example(patch: Patch, portrait: UnitReport, spec: TensorSpec) -> SheetTile:
    """Return a real example as a tile: the patch, below it the whole image, with class and activation."""
    crop, whole = (worlds.render(picture, spec) for picture in (patch.crop, patch.picture))
    both = Image.new("RGB", (SMALL, LARGE), PAPER)
    both.paste(input_image.fitted(crop, SMALL), (0, 0))
    both.paste(input_image.outlined(whole, patch.box, SMALL, patch.picture.shape[1:]), (0, LARGE - SMALL))
    name = portrait.classes[patch.example.label].split(",")[0]
    return SheetTile(both, notes=[f"{name}: {figures.number(patch.example.value)}"])


def _summary(portrait: UnitReport) -> str:
    """Format the unit's statistics over the real images in one line."""
    entry = portrait.entry
    is_text = texts.is_text(portrait)
    kind, best = ("texts", "the best n-gram") if is_text else ("images", "the synthetic image")
    made = ""
    if portrait.percentile is not None:
        made = f"; {best} has a higher peak than {percent_short_of(portrait.percentile / 100)}% of them"
    floor = ""
    if figures.is_floor(portrait):
        lowest, count = portrait.bottom[0].example.value, len(portrait.bottom)
        floor = f"; the smallest value is {figures.number(lowest)}, of {count} of them or more"
    return (
        f"{entry.images:,} real {kind}: peaks up to {figures.number(entry.top[0].value)}, above 0 for"
        f" {percent_short_of(1 - entry.inactive_share)}%{made}{floor}"
    )
