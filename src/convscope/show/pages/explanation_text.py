"""An explanation in plain sentences."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from convscope.see.attribution import Explanation

ROWS = ("top", "middle", "bottom")
COLUMNS = ("left", "centre", "right")
FIFTH = 0.2


def share_of(value: float) -> str:
    """A share as people write it: 51 %, 0.3 %, below 0.1 %."""
    if 0 < value < 0.001:
        return "below 0.1 %"
    return f"{value:.1%}".replace("%", " %") if value < 0.0995 else f"{value:.0%}".replace("%", " %")


def where(heat: ArrayLike) -> str:
    """Where the hottest half of `[h w]` lies: `the middle left`, and how much of the picture it covers."""
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
    """What the network answers, where it looks, and what follows when that is taken away."""
    question, said = explanation.task, []
    target, degree = question.target_names[row], float(explanation.probabilities[row])
    known = question.classes[row] is not None
    if known:
        said.append(f"The network gives {target} a probability of {share_of(degree)}.")
    else:
        said.append(f"{target} has the value {degree:.4g}.")
    looked = where(explanation.heatmap[row].cpu().numpy())
    if looked:
        layer = f" at layer {explanation.layer}" if explanation.layer else ""
        said.append(f"By {explanation.method.title}{layer}, it looks at {looked}.")
    checked = explanation.faithfulness[row] if explanation.faithfulness else None
    if checked and checked.deletion_insertion and known:
        curves = checked.deletion_insertion.curves
        said.append(
            f"With the hottest fifth blurred, {share_of(_at(curves.deletion))} is left; "
            f"with only that fifth sharp, {share_of(_at(curves.insertion))} is there."
        )
    if checked and checked.weight_randomization:
        last = checked.weight_randomization.correlations[-1]
        said.append(
            f"With random weights the heat fades (rank correlation {last:.2f}): it shows what was learned."
            if checked.weight_randomization.fades
            else f"With random weights the heat stays much the same (rank correlation {last:.2f}): "
            "it shows the picture more than the network."
        )
    if checked and checked.pointing_game:
        p = checked.pointing_game
        verb = "lies on" if p.hit else "misses"
        said.append(
            f"Its hottest point {verb} what was boxed; {share_of(p.inside)} of the heat is inside, "
            f"on {share_of(p.area)} of the picture."
        )
    return said


def _at(values: Sequence[float]) -> float:
    return float(np.interp(FIFTH, np.linspace(0, 1, len(values)), values))


def best(explanations: Sequence[Explanation], row: int = 0) -> Explanation:
    """The one whose curves lie furthest apart; the first, if none was checked."""

    def merit(e: Explanation) -> float:
        found = e.faithfulness[row].deletion_insertion if e.faithfulness else None
        return found.curves.insertion_area - found.curves.deletion_area if found else float("-inf")

    return max(explanations, key=merit)
