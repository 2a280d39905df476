"""The curve of a learning-rate finder as a picture: the loss over the rate, on a logarithmic axis."""

from collections.abc import Sequence
from math import ceil, floor, log10

from PIL import Image, ImageDraw, ImageFont

from convscope.learn import LRFinderResult
from convscope.show.images.contact_sheet import FAINT, INK, PAPER
from convscope.show.images.draw import BLUE, ORANGE

SIZE = (720, 400)
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 44, 56
SCALE = 2
"""The picture is drawn so many times as large, and reduced, so that its lines are smooth."""
ROOM = 0.3
"""Share of the range of the smoothed loss that is shown above its start."""
TICKS = 5
FONT = 13
GRID, RAW = (222, 220, 213), (190, 188, 182)


def lr_curve(found: LRFinderResult) -> Image.Image:
    """Draw the losses of a learning-rate sweep, with the suggestions.

    Single losses are dots, their moving average a line; losses above the start by more than `ROOM` of the
    range are cut off, so that the explosion does not flatten the rest.

    Args:
        found: the sweep, of two steps or more.

    Returns:
        The picture in RGB, 720 x 400 pixels.
    """
    return _Plot(found).draw()


class _Plot:
    """Mapping from rates and losses to pixels, and the drawing."""

    def __init__(self, found: LRFinderResult) -> None:
        self.found = found
        self.rates, self.losses = found.rates.tolist(), found.losses.tolist()
        self.smoothed = found.smoothed.tolist()
        low, start = min(*self.smoothed, *self.losses), self.smoothed[0]
        span = max(start - low, 1e-3 * max(abs(low), 1e-6))
        self.low, self.high = low - 0.05 * span, start + ROOM * span
        self.first, self.last = log10(self.rates[0]), log10(self.rates[-1])
        self.image = Image.new("RGB", (SIZE[0] * SCALE, SIZE[1] * SCALE), PAPER)
        self.pen = ImageDraw.Draw(self.image)

    def draw(self) -> Image.Image:
        """Return the picture."""
        self._axes()
        for rate, loss in zip(self.rates, self.losses, strict=True):
            if self.low <= loss <= self.high:
                x, y = self._at(rate, loss)
                self.pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=RAW)
        self._line(self.smoothed)
        for name, rate, colour in (
            ("steepest", self.found.steepest, BLUE),
            ("valley", self.found.valley, ORANGE),
        ):
            if rate is not None:
                self._mark(name, rate, colour)
        of = "of the linear probe, " if self.found.rate == "probe_lr" else ""
        self._text(f"Loss over the learning rate ({of}{self.found.flag})", (LEFT, 14), INK, "lm", FONT + 4)
        return self.image.resize(SIZE, Image.Resampling.LANCZOS)

    def _at(self, rate: float, loss: float) -> tuple[float, float]:
        """Return the pixel of a point in the enlarged drawing."""
        across = (log10(rate) - self.first) / max(self.last - self.first, 1e-9)
        up = (loss - self.low) / (self.high - self.low)
        width, height = SIZE[0] - LEFT - RIGHT, SIZE[1] - TOP - BOTTOM
        return SCALE * (LEFT + width * across), SCALE * (SIZE[1] - BOTTOM - height * up)

    def _axes(self) -> None:
        for k in range(TICKS):
            loss = self.low + (self.high - self.low) * k / (TICKS - 1)
            (x, y), (end, _) = self._at(self.rates[0], loss), self._at(self.rates[-1], loss)
            self.pen.line((x, y, end, y), fill=GRID, width=SCALE)
            self._text(f"{loss:.3g}", (LEFT - 8, y / SCALE), FAINT, "rm")
        decades = range(ceil(self.first - 1e-9), floor(self.last + 1e-9) + 1)
        for power in decades:
            x, y = self._at(10.0**power, self.low)
            self.pen.line((x, y, x, y + 5 * SCALE), fill=FAINT, width=SCALE)
            self._text(f"{10.0**power:g}", (x / SCALE, SIZE[1] - BOTTOM + 16), FAINT, "mm")
        self._text("learning rate", (SIZE[0] - RIGHT, SIZE[1] - 16), FAINT, "rm")

    def _line(self, losses: Sequence[float]) -> None:
        """Draw a curve up to where it leaves the picture."""
        points = []
        for rate, loss in zip(self.rates, losses, strict=True):
            points.append(self._at(rate, min(loss, self.high)))
            if loss > self.high:
                break
        self.pen.line(points, fill=INK, width=2 * SCALE, joint="curve")

    def _mark(self, name: str, rate: float, colour: tuple[int, int, int]) -> None:
        """Draw a suggestion as a dot on the curve with its name; the one that counts is filled."""
        loss = self.smoothed[self.rates.index(rate)]
        x, y = self._at(rate, loss)
        radius = 5 * SCALE
        fill = colour if name == self.found.by else PAPER
        self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill, outline=colour, width=4)
        self._text(f"{name} {rate:.2g}", (x / SCALE + 10, y / SCALE - 12), colour, "lm")

    def _text(
        self, text: str, at: tuple[float, float], ink: tuple[int, int, int], anchor: str, size: int = FONT
    ) -> None:
        font = ImageFont.load_default(size * SCALE)
        self.pen.text((at[0] * SCALE, at[1] * SCALE), text, fill=ink, font=font, anchor=anchor)
