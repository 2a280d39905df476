"""What filters, neurons and outputs like best: made for them, beside real digits, the start and noise."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from convscope.show.figure import Figure
from convscope.show.figures.units import Shown, comparison
from convscope.show.svg import element, join

Rows = Mapping[str, Sequence[Shown]]
ERHAN = (
    "Dumitru Erhan et al., Visualizing higher-layer features of a deep network (2009); Hung-yi Lee's lecture"
)
SIMONYAN = "Karen Simonyan, Andrea Vedaldi, Andrew Zisserman (2014), arXiv:1312.6034; Hung-yi Lee's lecture"


def filters(rows: Rows, command: str) -> Figure:
    """Columns: random start, made from it, best real digit, noise of full contrast."""
    columns = [f"seen.wanted.{c}" for c in ("start", "made", "real", "noise")]
    beaten = sum(shown[1].score > shown[2].score for shown in rows.values())
    return Figure("seen.wanted", _halves(rows, columns), command, ERHAN,
                  {"count": len(rows), "beaten": beaten}, wide=True)  # fmt: skip


def neurons(rows: Rows, command: str) -> Figure:
    """Columns as for filters; neurons after flattening see the whole picture."""
    columns = [f"seen.wanted.{c}" for c in ("start", "made", "real", "noise")]
    return Figure("seen.neurons", _halves(rows, columns), command, ERHAN, {"count": len(rows)}, wide=True)


def outputs(rows: Rows, weight: float, command: str) -> Figure:
    """Columns: made without a penalty, with the L1 penalty, best real digit, noise."""
    columns = [f"seen.outputs.{c}" for c in ("plain", "sparse")] + [
        f"seen.wanted.{c}" for c in ("real", "noise")
    ]
    plain = [float(shown[0].image.mean()) for shown in rows.values()]
    sparse = [float(shown[1].image.mean()) for shown in rows.values()]
    return Figure(
        "seen.outputs", _halves(rows, columns), command, SIMONYAN,
        {"weight": f"{weight:g}", "plain": f"{100 * sum(plain) / len(plain):.0f}",
         "sparse": f"{100 * sum(sparse) / len(sparse):.0f}"},
        wide=True,
    )  # fmt: skip


def _halves(rows: Rows, columns: Sequence[str]) -> Markup:
    names = list(rows)
    middle = (len(names) + 1) // 2
    parts = [names[:middle], names[middle:]]
    made = join(comparison({name: rows[name] for name in part}, columns) for part in parts if part)
    return element("div", made, class_="two-up")
