"""Non-negative activation factors laid over the images they are active in."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from convscope import worlds
from convscope.nets import Net
from convscope.see.activation_atlas import Factors
from convscope.show.images import contact_sheet, input_image
from convscope.show.images.contact_sheet import INK, PAPER, SheetRow, SheetTile
from convscope.show.images.palette import distinct
from convscope.show.pages.explanation.text import third
from convscope.show.report.i18n import plain
from convscope.system.counting import counted

SIDE = 224
"""Side of a tile, in pixels."""
FAINT = 0.5
"""Share of its largest value below which a group is hardly seen in an input."""
READ = (
    "A group: units of the layer that are active together. Above: where each is active, in its colour. Below:"
    " a picture made from noise to excite that group: what it responds to, no part of the input."
)
"""How to read the sheet."""
NUMBER = 15
"""Height of the number of a group, in pixels."""


def sheet(factors: Factors, pictures: Tensor, net: Net) -> Image.Image:
    """Draw a sheet of activation factors: where each factor is active, and the image optimised for it.

    Each input is one row: all factors in their colours, numbered where they are most active, then each factor
    alone. The last row shows the synthetic images, framed in the factor's colour, and before them the input
    where it is one.

    Args:
        factors: the non-negative factorisation of a layer's activations.
        pictures: the inputs that were factorised, `[n c h w]` in the spec's range.
        net: the network; its spec states the value range.

    Returns:
        The sheet in RGB.
    """
    shown = [input_image.fitted(worlds.render(p, net.input_spec), SIDE) for p in pictures]
    colours = distinct(len(factors))
    spatial = factors.maps.dim() == 4
    rows = []
    for image, maps in zip(shown, factors.maps, strict=True):
        weights = shares_of(maps, factors)
        single = [
            SheetTile(
                overlaid(image, weights[k : k + 1], colours[k : k + 1]),
                f"group {k}",
                [place] if place else [],
            )
            for k, place in enumerate(places(weights))
        ]
        together = overlaid(image, weights, colours)
        if spatial:
            number_groups(together, weights)
        rows.append(SheetRow([SheetTile(together, "all groups"), *single]))
    made = [input_image.fitted(worlds.render(p, net.input_spec), SIDE) for p in factors.images]
    synthetic = [
        SheetTile(
            _framed(image, colour), f"made for group {k}", [f"the group: {share:.0%} of the activation"]
        )
        for k, (image, colour, share) in enumerate(zip(made, colours, factors.shares.tolist(), strict=False))
    ]
    shared = SheetTile(None, "made from noise", ["one for each group: the", "pictures share them"])
    whole = SheetTile(shown[0], "the picture") if len(shown) == 1 else shared
    rows.append(SheetRow([whole, *synthetic]))
    verb = "explains" if len(factors) == 1 else "explain"
    summary = f"{counted(len(factors), 'group')} {verb} {factors.explained:.0%} of its positive activations"
    return contact_sheet.compose(rows, title=f"{factors.place} of {net.name}: {summary}", note=READ)


def shares_of(maps: Tensor, factors: Factors) -> Tensor:
    """Scale the maps of one input, each by the largest value of its factor over all inputs.

    Args:
        maps: of one input, `[k h w]` or `[k]`.
        factors: the factorisation that they are from.

    Returns:
        Maps from 0 to 1.
    """
    tops = factors.maps.transpose(0, 1).flatten(1).amax(1).clamp_min(1e-12)
    return maps / (tops if maps.dim() == 1 else tops[:, None, None])


def places(weights: Tensor) -> list[str]:
    """Name where in one input each factor is most active.

    Args:
        weights: maps of one input as `shares_of` returns them.

    Returns:
        The third of the height and of the width, such as `most active: top left`; empty without positions,
            and for a factor that stays below half of its largest value in this input.
    """
    if weights.dim() != 3:
        return [""] * len(weights)
    found, (rows, columns) = [], weights.shape[1:]
    for one in weights:
        row, column = divmod(int(one.argmax()), columns)
        name = plain(f"explain.third.{third((row + 0.5) / rows, (column + 0.5) / columns)}")
        found.append(f"most active: {name}" if float(one.max()) >= FAINT else "")
    return found


def overlaid(image: Image.Image, weights: Tensor, colours: Sequence[tuple[int, int, int]]) -> Image.Image:
    """Blend factor maps in their colours over a pale grayscale image.

    Opacity grows with the square root of the summed maps. The hue at a position is the mean of the colours
    weighted by the cubed maps, so that the strongest factor dominates.

    Args:
        image: of any mode.
        weights: maps `[k h w]`, or `[k]` for factors without positions, about 0 to 1; resized to the image.
        colours: RGB of each factor, from 0 to 255.

    Returns:
        An image of mode RGB and of the same size.
    """
    maps = weights if weights.dim() == 3 else weights.reshape(-1, 1, 1)
    height, width = image.height, image.width
    large = torch.nn.functional.interpolate(
        maps[None].float(), size=(height, width), mode="bicubic" if maps.shape[1] > 1 else "nearest"
    )[0].clamp_min(0)
    total = large.sum(0)
    clear = large**3  # the strongest group gives the colour, so that groups do not mix to mud
    hue = torch.einsum("khw,kc->hwc", clear, torch.tensor(colours, dtype=torch.float32))
    hue = hue / clear.sum(0).clamp_min(1e-9)[..., None]
    alpha = (0.85 * total.clamp(0, 1).sqrt())[..., None].numpy()
    grey = np.asarray(image.convert("L"), dtype=np.float32)[..., None].repeat(3, 2)
    light = grey / 255
    veil = hue.numpy() * (0.35 + 0.65 * light)
    mixed = (255 * (0.25 + 0.75 * light)) * (1 - alpha) + veil * alpha
    return Image.fromarray(mixed.clip(0, 255).round().astype(np.uint8))


def number_groups(image: Image.Image, weights: Tensor, least: float = FAINT) -> None:
    """Write the number of each group where it is most active, with a pale halo.

    Args:
        image: the groups in their colours; it is changed.
        weights: maps `[k h w]`, at most 1.
        least: a group whose map stays below it is hardly seen in this image, and gets no number.
    """
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(NUMBER)
    rows, columns = weights.shape[1:]
    for k, one in enumerate(weights):
        if float(one.max()) < least:
            continue
        row, column = divmod(int(one.argmax()), columns)
        x, y = (column + 0.5) / columns * image.width, (row + 0.5) / rows * image.height
        at = (min(max(x, NUMBER), image.width - NUMBER), min(max(y, NUMBER), image.height - NUMBER))
        draw.text(at, str(k), fill=INK, font=font, anchor="mm", stroke_width=2, stroke_fill=PAPER)


def _framed(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """Return a copy of a tile with a frame of the given colour."""
    framed = image.copy()
    ImageDraw.Draw(framed).rectangle((0, 0, SIDE - 1, SIDE - 1), outline=colour, width=6)
    return framed
