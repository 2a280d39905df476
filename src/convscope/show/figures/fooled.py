"""Pictures of nothing that the network is sure about."""

from collections.abc import Sequence

from convscope.show.figure import Figure
from convscope.show.figures.units import Shown, tiles


def figure(shown: Sequence[Shown], names: Sequence[str], noise: tuple[str, float], command: str) -> Figure:
    """Pictures made for each class, scored by probability; `noise`: the answer to it, and how sure."""
    least = min(s.score for s in shown)
    percent = [Shown(s.image, s.score, f"{100 * s.score:.2f}%") for s in shown]
    return Figure(
        "seen.fooled", tiles(percent, names, "5rem"), command,
        "Anh Nguyen et al., Deep neural networks are easily fooled (2015), arXiv:1412.1897",
        {"least": f"{100 * least:.1f}", "answer": noise[0], "sure": f"{100 * noise[1]:.0f}"},
    )  # fmt: skip
