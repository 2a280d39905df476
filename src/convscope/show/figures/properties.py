"""The three properties of pictures that a convolutional network is built on, on one real digit."""

import torch
from markupsafe import Markup
from torch import Tensor
from torch.nn import functional as F

from convscope.show.figure import Figure
from convscope.show.picture import address, ink
from convscope.show.svg import drawing, element, join
from convscope.show.words import both, plain

SIDE, PATCH = 28, 5
SCRIPT = """\
from convscope.show.figures.properties import alike
from convscope.worlds import digits, scaled
data = digits.test()
print(alike(scaled(data.batch([int((data.labels == 3).nonzero()[0])]), data.contract)[0]))"""
Corner = tuple[int, int]


def figure(digit: Tensor) -> Figure:
    """A digit `[1 28 28]` in [0, 1]: a small pattern, where it comes again, and fewer pixels."""
    places = alike(digit)
    body = element(
        "div",
        _panel("small", _digit(digit, places[:1]), pixels=PATCH**2),
        _panel("again", _digit(digit, places), count=len(places)),
        _panel("fewer", _fewer(digit)),
        class_="trio",
    )
    return Figure(
        "why.properties", body,
        SCRIPT,
        "Hung-yi Lee, lecture “Convolutional Neural Network”; David Hubel, Torsten Wiesel (1962)",
        {"patch": PATCH},
    )  # fmt: skip


def alike(digit: Tensor, most: int = 3) -> list[Corner]:
    """Top left corners of patches that resemble each other most and do not overlap; first the pattern.

    The pattern is the patch of middling ink that has the likest partner (cosine of mean-free patches).
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
    return [(int(row[i]), int(column[i])) for i in chosen]


def _panel(key: str, body: Markup, **values: object) -> Markup:
    return element(
        "div", body, both(f"why.properties.{key}", tag="p", class_="mini", **values), class_="panel"
    )


def _digit(digit: Tensor, places: list[Corner]) -> Markup:
    boxes = [
        element("rect", x=x, y=y, width=PATCH, height=PATCH, class_="window thin") for y, x in places
    ] + [
        element("text", f"{index + 1}", x=x + PATCH + 0.4, y=y + 2.2, class_="mark")
        for index, (y, x) in enumerate(places)
    ]  # fmt: skip
    return drawing(
        SIDE, SIDE, _picture(digit, 0, 0, SIDE), join(boxes), label=plain("why.properties.alt"), class_="full"
    )


def _fewer(digit: Tensor) -> Markup:
    half, quarter = digit[:, ::2, ::2], digit[:, ::3, ::3]
    return drawing(SIDE, SIDE, _picture(half, 0, 7, 14), _picture(quarter, 16.5, 9, 10),
                   label=plain("why.properties.alt"), class_="full")  # fmt: skip


def _picture(digit: Tensor, x: float, y: float, side: float) -> Markup:
    return join([
        element("rect", x=x, y=y, width=side, height=side, class_="frame"),
        element("image", href=address(ink(digit)), x=x, y=y, width=side, height=side, class_="ink"),
    ])  # fmt: skip
