"""Sheets of reconstructions by layer (inversion, caricature), and of activation factors laid over images."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from convscope.nets import Net
from convscope.printable import printable
from convscope.see.activation_atlas import Factors
from convscope.see.visualization import Reconstruction
from convscope.show.images import input_image
from convscope.worlds import render

SHEET, INK, SOFT = (247, 246, 242), (31, 32, 35), (92, 94, 102)
SIDE, GAP, TOP, FOOT = 224, 12, 44, 36
COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (117, 107, 177),
)
"""The palette of Okabe and Ito (2008), distinguishable with any colour vision, and a violet; repeated."""


def strip(drawn: Reconstruction, net: Net, title: str, *, exact: bool = True) -> Image.Image:
    """Draw the original and its reconstruction from each layer side by side.

    Args:
        drawn: the reconstructions.
        net: the network they are from; its spec states the value range.
        title: headline.
        exact: whether the relative error is written below each image, beside the cosine; for methods that aim
            at equality (inversion, not caricature).

    Returns:
        The sheet in RGB.
    """
    notes = [("the picture", "")] + [
        (layer, f"cosine {cosine:.2f}" + (f", missed {missed:.1%}" if exact else ""))
        for layer, cosine, missed in zip(
            drawn.layers, drawn.cosines.tolist(), drawn.relative_errors.tolist(), strict=True
        )
    ]
    images = [input_image.fitted(render(p, net.input_spec), SIDE) for p in (drawn.original, *drawn.images)]
    return _rows([images[:1] + images[1:]], [notes], title)


def factor_sheet(factors: Factors, pictures: Tensor, net: Net) -> Image.Image:
    """Draw a sheet of activation factors: where each factor is active, and the image optimised for it.

    Each input is one row: all factors in their colours, then each factor alone. The last row shows the
    synthetic images, framed in the factor's colour.

    Args:
        factors: the non-negative factorisation of a layer's activations.
        pictures: the inputs that were factorised, `[n c h w]` in the spec's range.
        net: the network; its spec states the value range.

    Returns:
        The sheet in RGB.
    """
    shown = [input_image.fitted(render(p, net.input_spec), SIDE) for p in pictures]
    colours = [COLOURS[k % len(COLOURS)] for k in range(len(factors))]
    spatial = factors.maps.dim() == 4
    tops = factors.maps.transpose(0, 1).flatten(1).amax(1).clamp_min(1e-12)
    rows, notes = [], []
    for image, maps in zip(shown, factors.maps, strict=True):
        weights = maps / (tops if not spatial else tops[:, None, None])
        single = [overlaid(image, weights[k : k + 1], colours[k : k + 1]) for k in range(len(weights))]
        rows.append([overlaid(image, weights, colours), *single])
        notes.append([("all groups", "")] + [(f"group {k}", "") for k in range(len(weights))])
    made = [input_image.fitted(render(p, net.input_spec), SIDE) for p in factors.images]
    rows.append([_blank(), *(_framed(image, colour) for image, colour in zip(made, colours, strict=False))])
    shares = factors.shares.tolist()
    notes.append(
        [("", "")]
        + [(f"made for group {k}", f"{share:.0%} of what is said") for k, share in enumerate(shares)]
    )
    summary = f"{len(factors)} groups explain {factors.explained:.0%} of what it says above 0"
    return _rows(rows, notes[: len(rows)], f"{factors.place} of {net.name}: {summary}")


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


def _blank() -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), SHEET)


def _framed(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """Return a copy of a tile with a frame of the given colour."""
    framed = image.copy()
    ImageDraw.Draw(framed).rectangle((0, 0, SIDE - 1, SIDE - 1), outline=colour, width=6)
    return framed


def _rows(
    rows: Sequence[Sequence[Image.Image]], notes: Sequence[Sequence[tuple[str, str]]], title: str
) -> Image.Image:
    """Draw rows of tiles, each with a name and a note below it."""
    columns, large, title = max(len(row) for row in rows), ImageFont.load_default(20), printable(title)
    width = max(columns * (SIDE + GAP), round(large.getlength(title)) + GAP)
    paper = Image.new("RGB", (GAP + width, TOP + len(rows) * (SIDE + FOOT + GAP)), SHEET)
    draw = ImageDraw.Draw(paper)
    draw.text((GAP, 10), title, fill=INK, font=large)
    for y, (row, texts) in enumerate(zip(rows, notes, strict=True)):
        for x, (image, (name, note)) in enumerate(zip(row, texts, strict=True)):
            left, top = GAP + x * (SIDE + GAP), TOP + y * (SIDE + FOOT + GAP)
            paper.paste(image, (left, top))
            draw.text((left, top + SIDE + 4), name[-34:], fill=INK, font=ImageFont.load_default(13))
            draw.text((left, top + SIDE + 20), note, fill=SOFT, font=ImageFont.load_default(11))
    return paper
