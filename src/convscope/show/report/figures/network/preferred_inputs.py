"""Figures of preferred inputs of filters, neurons and outputs, found by activation maximisation.

Beside each synthetic image stand the best real digit, the random start and noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from torch import Tensor

from convscope.see.visualization import NOISE_IMAGES, Comparison
from convscope.show.report.figure import Figure
from convscope.show.report.figures.network.units import Shown, comparison, short
from convscope.show.report.i18n import bilingual
from convscope.show.svg import element, join

MOVE = (4, 4)
"""Translation of the synthetic images in pixels, (down, right)."""
ERHAN = (
    "Dumitru Erhan et al., Visualizing higher-layer features of a deep network (2009); Hung-yi Lee's lecture"
)
SIMONYAN = "Karen Simonyan, Andrea Vedaldi, Andrew Zisserman (2013), arXiv:1312.6034; Hung-yi Lee's lecture"
COLUMNS = ("start", "made", "real", "noise")


@dataclass(frozen=True, eq=False)
class PreferredRow:
    """One unit's activations for four inputs, and these inputs.

    Attributes:
        numbers: activations of the unit, and how the synthetic image compares with real digits.
        start: random image that optimisation started from, `[c h w]` in [0, 1], as all images here.
        made: synthetic image that maximises the activation.
        real: real digit with the highest activation.
        noise: one image of the uniform noise that `numbers.noise` averages over.
    """

    numbers: Comparison
    start: Tensor
    made: Tensor
    real: Tensor
    noise: Tensor

    @property
    def shown(self) -> list[Shown]:
        """Tiles in the order of the columns: random start, synthetic image, best real digit, noise."""
        n = self.numbers
        beaten = bilingual("seen.wanted.beats", share=f"{n.percentile:.0f}")
        return [
            Shown(self.start, n.start),
            Shown(self.made, n.synthetic, more=beaten),
            Shown(self.real, n.best),
            Shown(self.noise, n.noise),
        ]


@dataclass(frozen=True)
class Likeness:
    """Mean Pearson correlation of images with the mean digit of their class.

    Attributes:
        plain: of synthetic images made without penalty.
        sparse: of synthetic images made with the L1 penalty.
        real: of real digits.
    """

    plain: float
    sparse: float
    real: float


def filters(rows: Sequence[PreferredRow], moved: float, command: str) -> Figure:
    """Build the figure of inputs preferred by convolution filters.

    Columns: random start, synthetic image, best real digit, noise.

    Args:
        rows: one for each filter; at least one.
        moved: mean activation of the synthetic images after translation by `MOVE`, quoted in the text.
        command: reproduces images and numbers.

    Returns:
        The figure.
    """
    return _units("seen.wanted", rows, moved, command)


def neurons(rows: Sequence[PreferredRow], moved: float, command: str) -> Figure:
    """Build the figure of inputs preferred by neurons of a dense layer, which depend on the whole image.

    Columns: random start, synthetic image, best real digit, noise.

    Args:
        rows: one for each neuron; at least one.
        moved: mean activation of the synthetic images after translation by `MOVE`, quoted in the text.
        command: reproduces images and numbers.

    Returns:
        The figure.
    """
    return _units("seen.neurons", rows, moved, command)


def _units(key: str, rows: Sequence[PreferredRow], moved: float, command: str) -> Figure:
    synthetic = [row.numbers.synthetic for row in rows]
    values = {
        "count": len(rows),
        "beaten": sum(r.numbers.synthetic > r.numbers.best for r in rows),
        "noises": NOISE_IMAGES,
        "moved": short(moved),
        "move": MOVE[0],
        "made": short(sum(synthetic) / len(synthetic)),
    }
    body = _halves({row.numbers.place: row.shown for row in rows}, [f"seen.wanted.{c}" for c in COLUMNS])
    return Figure(key, body, command, ERHAN, values, wide=True)


def outputs(
    plain: Sequence[PreferredRow],
    sparse: Sequence[PreferredRow],
    classes: Sequence[str],
    weight: float,
    likeness: Likeness,
    command: str,
) -> Figure:
    """Build the figure of inputs preferred by the output units, with and without an L1 penalty on the image.

    Columns: random start, synthetic image without and with penalty, best real digit, noise.

    Args:
        plain: one row for each class, made without penalty.
        sparse: one row for each class, made with the penalty.
        classes: names of the classes.
        weight: weight of the penalty, quoted in the text.
        likeness: correlations with mean digits, quoted in the text.
        command: reproduces images and numbers.

    Returns:
        The figure.
    """
    columns = [
        f"seen.{c}"
        for c in ("wanted.start", "outputs.plain", "outputs.sparse", "wanted.real", "wanted.noise")
    ]
    rows = {
        name: [*a.shown[:2], b.shown[1], *a.shown[2:]]
        for name, a, b in zip(classes, plain, sparse, strict=True)
    }
    inks = {
        name: sum(float(row.made.mean()) for row in made) / len(made)
        for name, made in (("plain", plain), ("sparse", sparse))
    }
    values = {
        "weight": f"{weight:g}",
        "noises": NOISE_IMAGES,
        **{name: f"{100 * ink:.0f}" for name, ink in inks.items()},
        "like_plain": f"{likeness.plain:.2f}",
        "like_sparse": f"{likeness.sparse:.2f}",
        "like_real": f"{likeness.real:.2f}",
    }
    return Figure("seen.outputs", _halves(rows, columns), command, SIMONYAN, values, wide=True)


def _halves(rows: Mapping[str, Sequence[Shown]], columns: Sequence[str]) -> Markup:
    """Split the rows into two tables side by side."""
    names = list(rows)
    middle = (len(names) + 1) // 2
    parts = [names[:middle], names[middle:]]
    tables = join(comparison({name: rows[name] for name in part}, columns) for part in parts if part)
    return element("div", tables, class_="two-up")
