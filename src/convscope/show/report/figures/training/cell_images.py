"""The test images of each cell of a confusion matrix, opened by a link from the cell."""

from collections.abc import Mapping

from markupsafe import Markup

from convscope.learn import Evaluation
from convscope.show.report.figures.training.worst_examples import picture, tile_width
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element, join
from convscope.worlds import LabelledDataset

WRONG, RIGHT = 24, 6
"""Most images of a cell off the diagonal, and of one on it."""
ALL = 360
"""Most images of all cells together: about 2 MB of photographs."""

Cell = tuple[int, int]
"""True class and prediction."""


def anchor(cell: Cell) -> str:
    """Return the id, on the page, of the images of a cell.

    Args:
        cell: true class and prediction.

    Returns:
        The id.
    """
    return f"cell-{cell[0]}-{cell[1]}"


def choose(found: Evaluation) -> Mapping[Cell, list[int]]:
    """Choose the images that are shown of each cell: those with the largest loss.

    Mistakes come first, the most frequent kinds before the others, as far as `ALL` reaches.

    Args:
        found: predictions for labelled images.

    Returns:
        Indices of images by true class and prediction, without empty cells.
    """
    members: dict[Cell, list[int]] = {}
    pairs = zip(found.labels.tolist(), found.predictions.tolist(), strict=True)
    cells = list(pairs)
    for index in found.losses.argsort(descending=True, stable=True).tolist():
        members.setdefault(cells[index], []).append(index)
    ordered = sorted(members, key=lambda cell: (cell[0] == cell[1], -len(members[cell])))
    chosen, left = {}, ALL
    for cell in ordered:
        kept = members[cell][: min(RIGHT if cell[0] == cell[1] else WRONG, left)]
        if kept:
            chosen[cell] = kept
            left -= len(kept)
    return chosen


def galleries(found: Evaluation, images: LabelledDataset, chosen: Mapping[Cell, list[int]]) -> Markup:
    """Draw the chosen images of every cell; a cell's are hidden until its link is followed.

    Args:
        found: predictions for labelled images.
        images: the images, in the same order.
        chosen: indices of images by cell.

    Returns:
        The markup.
    """
    counts = found.confusion
    made = []
    for (truth, answer), indices in chosen.items():
        values = {
            "truth": found.classes[truth],
            "answer": found.classes[answer],
            "count": int(counts[truth, answer]),
            "shown": len(indices),
        }
        pixels = images.inputs(indices)
        tiles = [
            element(
                "div",
                picture(image, images.spec, spoken("trained.cell.alt", **values)),
                element("small", f"{100 * float(found.probabilities[index, answer]):.0f}%"),
                class_="tile",
            )
            for image, index in zip(pixels, indices, strict=True)
        ]
        key = "right" if truth == answer else "wrong"
        every = "all" if len(indices) == values["count"] else "some"
        made.append(
            element(
                "div",
                bilingual(f"trained.cell.{key}.{every}", tag="p", **values),
                element("div", *tiles, class_="sheet", style=tile_width(images.spec, 5.5)),
                class_="cell-images",
                id=anchor((truth, answer)),
            )
        )
    return join(made)
