"""Inputs that are texts, shown as texts: each word or character on a background that stands for a value."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor

from convscope.graph import TensorSpec
from convscope.show.images.draw import BLUE, ORANGE
from convscope.show.report.i18n import Text
from convscope.show.svg import element, join, named, number
from convscope.worlds import Piece, world_of
from convscope.worlds.text import draw_tokens

STRONGEST = 0.62
"""Share of the colour in the background of the largest value: the letters on it must be readable."""


def pieces_of(inputs: Sequence[Tensor], specs: Sequence[TensorSpec]) -> tuple[Piece, ...]:
    """Return the texts in the inputs of a network.

    Args:
        inputs: one for each spec, without batch axis.
        specs: their specifications.

    Returns:
        Those of the first input that is made of texts; () where none is.
    """
    found = (world_of(spec).pieces(tensor, spec) for tensor, spec in zip(inputs, specs, strict=True))
    return next(filter(None, found), ())


def totals(pieces: Sequence[Piece], values: ArrayLike) -> list[float]:
    """Return the sum of values over the positions of each piece.

    Args:
        pieces: of an input.
        values: one for each position.

    Returns:
        One for each piece.
    """
    array = np.nan_to_num(np.asarray(values, np.float64)).reshape(-1)
    return [float(array[piece.first : piece.last].sum()) for piece in pieces]


def highest(pieces: Sequence[Piece], values: ArrayLike, spans: Sequence[tuple[int, int]]) -> list[float]:
    """Return for each piece the value of largest magnitude of the windows that it is in.

    Args:
        pieces: of an input.
        values: one for each window.
        spans: first position of each window, and the one after its last.

    Returns:
        One for each piece; 0 for one in no window.
    """
    array = np.nan_to_num(np.asarray(values, np.float64)).reshape(-1)
    found = []
    for piece in pieces:
        inside = [
            float(value)
            for value, (low, high) in zip(array, spans, strict=True)
            if low < piece.last and high > piece.first
        ]
        found.append(max(inside, key=abs, default=0.0))
    return found


def paragraph(
    pieces: Sequence[Piece],
    values: Sequence[float],
    *,
    limit: float = 0.0,
    label: Text | Mapping[str, str] | None = None,
    frames: Sequence[bool] = (),
) -> Markup:
    """Build a paragraph of tinted words: orange above zero, blue below; a word's value is its tool tip.

    Args:
        pieces: of an input.
        values: one for each.
        limit: the magnitude of the full colour; the largest if 0.
        label: what the paragraph shows, for screen readers.
        frames: which pieces are framed as one, such as the receptive field of a unit; none if left out.

    Returns:
        The `<p>` element.
    """
    limit = limit or max(map(abs, values), default=0.0) or 1.0
    framed = [*frames, *[False] * (len(pieces) - len(frames))]
    parts: list[Markup | str] = []
    for k, (piece, value) in enumerate(zip(pieces, values, strict=True)):
        share = min(abs(value) / limit, 1.0)
        kind = ["above" if value >= 0 else "below", *(["in"] if framed[k] else [])]
        style = f"--heat:{100 * STRONGEST * share:.0f}%"
        parts.append(element("span", piece.text, class_=" ".join(kind), style=style, title=number(value, 3)))
        if k + 1 < len(pieces):
            both = framed[k] and framed[k + 1]
            parts.append(element("span", piece.gap, class_="in") if both and piece.gap else piece.gap)
    attributes = {} if label is None else {"role": "group", **named("aria-label", label)}
    return element("p", join(parts), class_="tinted", translate="no", **attributes)


def picture(
    pieces: Sequence[Piece], values: Sequence[float], *, limit: float = 0.0, width: int = 560
) -> Image.Image:
    """Draw tinted words as an image: orange above zero, blue below.

    Args:
        pieces: of an input.
        values: one for each.
        limit: the magnitude of the full colour; the largest if 0.
        width: in pixels.

    Returns:
        An image of mode RGB.
    """
    limit = limit or max(map(abs, values), default=0.0) or 1.0
    tints = []
    for value in values:
        share = STRONGEST * min(abs(value) / limit, 1.0)
        hue = ORANGE if value >= 0 else BLUE
        tints.append(tuple(round(255 + (c - 255) * share) for c in hue) if share > 0.01 else None)
    gap = pieces[0].gap if pieces else " "
    return draw_tokens([piece.text for piece in pieces], tints, between=gap, width=width)
