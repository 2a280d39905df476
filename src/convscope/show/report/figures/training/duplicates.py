"""The figure of test images that are nearly the same as training images."""

from collections.abc import Sequence

from convscope.learn import Evaluation, NearDuplicate
from convscope.show.report.figure import Figure
from convscope.show.report.figures.training.worst_examples import picture
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element
from convscope.worlds import LabelledImages

MOST = 8
"""Most pairs that are drawn."""


def of_run(
    pairs: Sequence[NearDuplicate], train: LabelledImages, test: LabelledImages, found: Evaluation
) -> Figure:
    """Build the figure of near-duplicates between training and test images.

    Args:
        pairs: the near-duplicates, at least one, the most similar pair first.
        train: images that were learned from.
        test: images that were tested on.
        found: predictions for the test images.

    Returns:
        The figure; it states the accuracy without these images too.
    """
    others = [k for k in range(len(test)) if k not in {pair.test for pair in pairs}]
    right = found.predictions == found.labels
    values = {
        "count": len(pairs),
        "total": f"{len(test):,}",
        "shown": min(MOST, len(pairs)),
        "share": f"{100 * float(right.double().mean()):.2f}",
        "without": f"{100 * float(right[others].double().mean()):.2f}" if others else "",
        "left": f"{len(others):,}",
    }
    tiles = []
    for pair in pairs[:MOST]:
        said = {
            "test": test.classes[int(test.labels[pair.test])],
            "train": train.classes[int(train.labels[pair.train])],
            "correlation": f"{pair.correlation:.3f}",
        }
        both = [
            picture(
                images.inputs([index])[0],
                images.spec,
                spoken(f"trained.duplicates.{part}", **said),
            )
            for part, images, index in (("alt_test", test, pair.test), ("alt_train", train, pair.train))
        ]
        key = "mirrored" if pair.mirrored else "said"
        files = {"test": _named(test, pair.test), "train": _named(train, pair.train)}
        line = bilingual(f"trained.duplicates.{key}", **{**said, **files})
        tiles.append(element("div", element("div", *both, class_="side"), line, class_="tile"))
    body = element("div", *tiles, class_="sheet", style="--tile:13rem")
    finding = "title" if others else "all"
    return Figure("trained.duplicates", body, "", "", values, finding=finding)


def _named(images: LabelledImages, index: int) -> str:
    """Return the class of an image with the name of its file, where it was read from one."""
    label = images.classes[int(images.labels[index])]
    paths = getattr(images, "paths", None)
    return label if paths is None else f"{label} ({paths[index].name})"
