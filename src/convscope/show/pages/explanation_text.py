"""Attributions and their metrics in plain sentences."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convscope.see.attribution import Explanation

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")
FIFTH = 0.2


def share_of(value: float) -> str:
    """Format a share as a percentage with suitable precision: `51 %`, `0.3 %`, `below 0.1 %`.

    Args:
        value: a share, usually 0 to 1.

    Returns:
        The percentage, without decimals from 9.95 % on.
    """
    if 0 < value < 0.001:
        return "below 0.1 %"
    return f"{value:.1%}".replace("%", " %") if value < 0.0995 else f"{value:.0%}".replace("%", " %")


def where(heat: ArrayLike) -> str:
    """Locate the hottest positions of a heatmap, which together hold half of its positive sum.

    Args:
        heat: the heatmap `[h w]`; negative values and NaN count as 0.

    Returns:
        A phrase with the third of the image in which their centre lies, and the share of positions they
            cover; empty where the heatmap has not two axes or nothing positive.
    """
    values = np.clip(np.nan_to_num(np.asarray(heat, dtype=np.float64)), 0, None)
    if values.ndim != 2 or values.sum() <= 0:
        return ""
    ranked = np.sort(values.ravel())[::-1]
    count = int(np.searchsorted(np.cumsum(ranked), values.sum() / 2)) + 1
    hot = values >= ranked[count - 1]
    rows, columns = np.nonzero(hot)
    y, x = (rows.mean() + 0.5) / values.shape[0], (columns.mean() + 0.5) / values.shape[1]
    name = f"{ROWS[min(2, int(3 * y))]} {COLUMNS[min(2, int(3 * x))]}"
    name = {"middle centre": "middle"}.get(name, name)
    return f"the {name} of the picture: half of the heat lies on {share_of(count / values.size)} of it"


def sentences(explanation: Explanation, row: int = 0) -> list[str]:
    """Describe one attribution in English sentences.

    Args:
        explanation: attributions for one or more examples.
        row: index of the example.

    Returns:
        The target's probability (or value), where the heatmap is hot, and the results of the deletion,
            insertion, weight randomisation and pointing metrics, as far as they were computed.
    """
    task, lines = explanation.task, []
    target, score = task.target_names[row], float(explanation.probabilities[row])
    is_class = task.classes[row] is not None
    if is_class:
        lines.append(f"The network gives {target} a probability of {share_of(score)}.")
    else:
        lines.append(f"{target} has the value {score:.4g}.")
    place = where(explanation.heatmap[row].cpu().numpy())
    if place:
        layer = f" at layer {explanation.layer}" if explanation.layer else ""
        lines.append(f"By {explanation.method.title}{layer}, it looks at {place}.")
    metrics = explanation.faithfulness[row] if explanation.faithfulness else None
    if metrics and metrics.deletion_insertion and is_class:
        curves = metrics.deletion_insertion.curves
        lines.append(
            f"With the hottest fifth blurred, {share_of(_at(curves.deletion))} is left; "
            f"with only that fifth sharp, {share_of(_at(curves.insertion))} is there."
        )
    if metrics and metrics.weight_randomization:
        last = metrics.weight_randomization.correlations[-1]
        lines.append(
            f"With random weights the heat fades (rank correlation {last:.2f}): it shows what was learned."
            if metrics.weight_randomization.fades
            else f"With random weights the heat stays much the same (rank correlation {last:.2f}): "
            "it shows the picture more than the network."
        )
    if metrics and metrics.pointing_game:
        p = metrics.pointing_game
        verb = "lies on" if p.hit else "misses"
        lines.append(
            f"Its hottest point {verb} what was boxed; {share_of(p.inside)} of the heat is inside, "
            f"on {share_of(p.area)} of the picture."
        )
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
        return found.curves.insertion_area - found.curves.deletion_area if found else float("-inf")

    return max(explanations, key=merit)
