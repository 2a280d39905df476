"""Attributions and their metrics in plain sentences, in every language of the pages."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convscope.nets import SpectrogramAxes
from convscope.see.activation_atlas import components
from convscope.see.attribution import Explanation
from convscope.show.pages.explanation.axes import axes_of, hertz
from convscope.show.report.i18n import Text, spoken

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")
FIFTH = 0.2
CELLS = 14
"""Cells along each axis in which separate areas of a heatmap are told apart."""
AREA = 0.15
"""Least share of the hottest half that an area must hold to be named."""
NAMED_SHARE = 0.75
"""Least share that all named areas hold together; with less the heat counts as scattered."""


def said(key: str, **values: object) -> Text:
    """Look up a sentence in every language.

    Args:
        key: of the sentence, below `explain.`.
        **values: for the placeholders; texts themselves are filled in by language.

    Returns:
        Language -> sentence.
    """
    return spoken(f"explain.{key}", **values)


def share_of(value: float) -> str:
    """Format a share as a percentage with suitable precision: `51%`, `0.3%`, `< 0.1%`.

    Args:
        value: a share, usually 0 to 1.

    Returns:
        The percentage, without decimals from 9.95% on.
    """
    if 0 < value < 0.001:
        return "< 0.1%"
    return f"{value:.1%}" if value < 0.0995 else f"{value:.0%}"


def where(heat: ArrayLike, axes: SpectrogramAxes | None = None, *, cropped: bool = False) -> Text | None:
    """Locate the hottest positions of a heatmap, which together hold half of its positive sum.

    Positions that touch are one area; areas with less than 15% of the hot half are not named.

    Args:
        heat: the heatmap `[h w]`; negative values and NaN count as 0.
        axes: times of its columns and frequencies of its rows, where it is over a spectrogram.
        cropped: whether the heatmap is over a part of the picture, of which the phrase speaks then.

    Returns:
        A phrase with the number of separate areas, the third of the image in which each has its centre (of a
            spectrogram its time and frequency), and the share of positions that they cover; None where the
            heatmap has not two axes or nothing positive.
    """
    values = np.clip(np.nan_to_num(np.asarray(heat, dtype=np.float64)), 0, None)
    if values.ndim != 2 or values.sum() <= 0:
        return None
    ranked = np.sort(values.ravel())[::-1]
    count = int(np.searchsorted(np.cumsum(ranked), values.sum() / 2)) + 1
    hot = np.where(values >= ranked[count - 1], values, 0.0)
    ordered = sorted(_areas(hot), key=lambda area: (-round(area[0], 6), area[1]))
    found = [centre for share, centre in ordered if share >= AREA]
    covered, keys = share_of(count / values.size), "where" if axes is None else "where_heard"
    picture = _picture(cropped=cropped)
    if sum(share for share, _ in ordered if share >= AREA) < NAMED_SHARE:
        return said(f"{keys}.scattered", share=covered, picture=picture)
    if axes is None:
        named = [said(f"third.{name}") for name in dict.fromkeys(third(y, x) for y, x in found)]
    else:
        named = [_heard(y, x, axes) for y, x in sorted(found, key=lambda centre: centre[1])]
    listed = {"en": ", ".join(n["en"] for n in named), "zh": "、".join(n["zh"] for n in named)}
    key = f"{keys}.one" if len(found) == 1 else f"{keys}.several"
    return said(key, place=listed, count=len(found), share=covered, picture=picture)


def _picture(*, cropped: bool) -> Text:
    """Name what places and shares are of."""
    return said("where.part" if cropped else "where.picture")


def _heard(y: float, x: float, axes: SpectrogramAxes) -> Text:
    """Name the time and frequency of a position, given as shares of the axes."""
    ends = ((y, axes.hertz), (x, axes.seconds))
    at = [np.interp(share * len(v) - 0.5, np.arange(len(v)), v) if v else 0.0 for share, v in ends]
    key = "where_heard.place" if axes.hertz else "where_heard.time"
    return said(key, hertz=hertz(float(f"{at[0]:.2g}")), seconds=f"{at[1]:.2f} s")


def _areas(hot: NDArray[np.float64]) -> Iterator[tuple[float, tuple[float, float]]]:
    """Find areas of touching hot cells: the share of the heat, and the centre as shares of the axes."""
    height, width = hot.shape
    rows, columns = min(CELLS, height), min(CELLS, width)
    cells = np.zeros((rows, columns))
    ys, xs = np.nonzero(hot)
    np.add.at(cells, (ys * rows // height, xs * columns // width), hot[ys, xs])
    occupied = [(int(y), int(x)) for y, x in zip(*np.nonzero(cells), strict=True)]
    for group in components(occupied):
        area = np.array([occupied[index] for index in group])
        weights = cells[tuple(area.T)]
        middle = (area + 0.5).T @ weights / weights.sum()
        yield weights.sum() / cells.sum(), (middle[0] / rows, middle[1] / columns)


def third(y: float, x: float) -> str:
    """Name the third of the image in which a position lies.

    Args:
        y: share of the height above it, from 0 to 1.
        x: share of the width to its left.

    Returns:
        The end of the key of its name, such as `top_left`.
    """
    return f"{ROWS[min(2, int(3 * y))]}_{COLUMNS[min(2, int(3 * x))]}"


def sentences(explanation: Explanation, row: int = 0, cropped: Text | None = None) -> list[Text]:
    """Describe one attribution in sentences.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.
        cropped: says which part of the photograph the network sees; None where it sees all of it.

    Returns:
        The target's probability (or value), the part that the network sees, where the heatmap is hot, and the
            results of the deletion, insertion, weight randomisation and pointing metrics, as far as they were
            computed; each in every language.
    """
    task, method = explanation.task, explanation.method.title
    target, score = task.target_names[row], float(explanation.probabilities[row])
    is_class = task.classes[row] is not None
    lines = [
        said("said.class", target=target, share=share_of(score))
        if is_class
        else said("said.value", target=target, value=f"{score:.4g}")
    ]
    if cropped is not None and row == 0:
        lines.append(cropped)
    axes = axes_of(explanation)
    if task.wrt is not None:
        kind = "wrt" if axes is None else "wrt_heard" if axes.hertz else "wrt_coefficients"
        lines.append(said(f"said.{kind}", wrt=task.wrt))
    alike = task.whole is None or task.inputs[0].dim() == task.whole.inputs[0].dim()
    heat, part = explanation.heatmap[row].cpu().numpy(), cropped is not None
    place = where(heat, axes, cropped=part) if alike or axes is not None else None
    if place:
        key = "said.place_at" if explanation.layer else "said.place"
        lines.append(said(key, method=method, layer=explanation.layer, where=place))
    metrics = explanation.faithfulness[row] if explanation.faithfulness else None
    if metrics and metrics.deletion_insertion and is_class:
        curves = metrics.deletion_insertion.curves
        left, there = share_of(_at(curves.deletion)), share_of(_at(curves.insertion))
        key = "said.fifth" if curves.baseline == "blur" else f"said.fifth_{curves.baseline}"
        lines.append(said(key, left=left, there=there))
    if metrics and metrics.weight_randomization:
        last = f"{metrics.weight_randomization.correlations[-1]:.2f}"
        lines.append(said("said.fades" if metrics.weight_randomization.fades else "said.stays", rho=last))
    if metrics and metrics.pointing_game:
        p = metrics.pointing_game
        key = "said.hit" if p.hit else "said.miss"
        picture = _picture(cropped=part)
        lines.append(said(key, inside=share_of(p.inside), area=share_of(p.area), picture=picture))
    return lines


def _at(values: Sequence[float]) -> float:
    """Return the value of a deletion or insertion curve after the first fifth of the positions."""
    return float(np.interp(FIFTH, np.linspace(0, 1, len(values)), values))


def best(explanations: Sequence[Explanation], row: int = 0) -> Explanation:
    """Choose the explanation with the largest difference of insertion and deletion area.

    Args:
        explanations: of the same examples, by different methods; at least one.
        row: index of the example.

    Returns:
        That explanation; the first one where none has these curves.
    """

    def merit(e: Explanation) -> float:
        found = e.faithfulness[row].deletion_insertion if e.faithfulness else None
        return found.curves.score if found else float("-inf")

    return max(explanations, key=merit)
