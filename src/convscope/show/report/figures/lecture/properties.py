"""The figure of three properties of images that convolutional networks exploit, shown on a real digit."""

import torch
from markupsafe import Markup
from torch import Tensor
from torch.nn import functional as F

from convscope.show.images.draw import data_uri
from convscope.show.report.figure import Figure
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import drawing, element, join
from convscope.worlds.images import grayscale_alpha

SIDE, PATCH = 28, 5
LINE = (
    'python -c "from convscope.show.report import worked_examples as l; '
    'from convscope.show.report.figures.lecture.properties import alike; print(alike(l.digit({number})))"'
)
Corner = tuple[int, int]


def figure(digit: Tensor, number: int) -> Figure:
    """Build the figure of three properties of images on one digit.

    Patterns are small (local connectivity), they recur at other positions (weight sharing), and fewer pixels
    still show the object (subsampling).

    Args:
        digit: `[1 28 28]` in [0, 1]: the first test digit of class `number`.
        number: its class, for the command.

    Returns:
        The figure.
    """
    places, likeness = alike(digit)
    body = element(
        "div",
        _panel("small", _digit(digit, places[:1]), pixels=PATCH**2),
        _panel("again", _digit(digit, places)),
        _panel("fewer", _fewer(digit)),
        class_="trio",
    )
    return Figure(
        "why.properties",
        body,
        LINE.format(number=number),
        "Hung-yi Lee, lecture “Convolutional Neural Network”; David Hubel, Torsten Wiesel (1962)",
        {"patch": PATCH, "second": f"{likeness[1]:.2f}", "third": f"{likeness[2]:.2f}"},
    )


def alike(digit: Tensor, most: int = 3) -> tuple[list[Corner], list[float]]:
    """Find the patches of a digit that are most similar to each other and do not overlap.

    The reference is the patch whose best partner is most similar, among those with a mean of 0.25 to 0.6.
    Similarity is the Pearson correlation of pixels.

    Args:
        digit: `[1 28 28]` in [0, 1].
        most: number of patches, the reference included.

    Returns:
        The upper left corners (y, x), the reference first, and each patch's correlation with the reference (1
            for itself).
    """
    patches = F.unfold(digit[None].float(), PATCH)[0].T
    flat = patches - patches.mean(dim=1, keepdim=True)
    ink_share = patches.mean(dim=1)
    usable = (ink_share > 0.25) & (ink_share < 0.6)
    flat = F.normalize(flat, dim=1) * usable[:, None]
    likeness = flat @ flat.T
    wide = SIDE - PATCH + 1
    row, column = torch.arange(wide * wide) // wide, torch.arange(wide * wide) % wide
    apart = ((row[:, None] - row).abs() >= PATCH) | ((column[:, None] - column).abs() >= PATCH)
    chosen = [int((likeness * apart).max(dim=1).values.argmax())]
    while len(chosen) < most:
        free = apart[chosen].all(dim=0)
        chosen.append(int((likeness[chosen[0]] * free).argmax()))
    return [(int(row[i]), int(column[i])) for i in chosen], likeness[chosen[0], chosen].tolist()


def _panel(key: str, body: Markup, **values: object) -> Markup:
    return element(
        "div", body, bilingual(f"why.properties.{key}", tag="p", class_="mini", **values), class_="panel"
    )


def _digit(digit: Tensor, places: list[Corner]) -> Markup:
    boxes = [
        element("rect", x=x, y=y, width=PATCH, height=PATCH, class_="window thin") for y, x in places
    ] + [_badge(index + 1, x, y) for index, (y, x) in enumerate(places)]
    return drawing(
        SIDE,
        SIDE,
        _picture(digit, 0, 0, SIDE),
        join(boxes),
        label=spoken("why.properties.alt"),
        class_="full",
    )


def _badge(number: int, x: float, y: float) -> Markup:
    """A number on a disc, legible on ink and on paper."""
    return join(
        [
            element("circle", cx=x, cy=y, r=1.7, class_="badge"),
            element("text", f"{number}", x=x, y=y + 0.85, class_="mark"),
        ]
    )


def _fewer(digit: Tensor) -> Markup:
    """Draw the digit with every second and with every third pixel."""
    half, quarter = digit[:, ::2, ::2], digit[:, ::3, ::3]
    return drawing(
        SIDE,
        SIDE,
        _picture(half, 0, 7, 14),
        _picture(quarter, 16.5, 9, 10),
        label=spoken("why.properties.alt"),
        class_="full",
    )


def _picture(digit: Tensor, x: float, y: float, side: float) -> Markup:
    return join(
        [
            element("rect", x=x, y=y, width=side, height=side, class_="frame"),
            element(
                "image",
                href=data_uri(grayscale_alpha(digit)),
                x=x,
                y=y,
                width=side,
                height=side,
                class_="ink",
            ),
        ]
    )
