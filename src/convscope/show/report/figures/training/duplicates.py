"""The figures of images of one part of the data that are nearly the same as images of another."""

from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from convscope.learn import Evaluation, NearDuplicate
from convscope.show.report.figure import Figure
from convscope.show.report.figures.training.worst_examples import picture
from convscope.show.report.i18n import bilingual, spoken
from convscope.show.svg import element, join
from convscope.worlds import LabelledImages

MOST = 8
"""Most pairs that are drawn."""


def of_run(
    pairs: Sequence[NearDuplicate],
    train: LabelledImages,
    test: LabelledImages,
    found: Evaluation,
    validation: LabelledImages | None = None,
) -> Figure:
    """Build the figure of near-duplicates between training and test images.

    Args:
        pairs: the near-duplicates, at least one, the most similar pair first.
        train: images that were learned from.
        test: images that were tested on.
        found: predictions for the test images.
        validation: images that were chosen by; None where there are none.

    Returns:
        The figure; it states the accuracy without these images too, and where the twins lie.
    """
    others = [k for k in range(len(test)) if k not in {pair.test for pair in pairs}]
    right = found.predictions == found.labels
    counts = Counter(pair.part for pair in pairs)
    values = {
        "count": len(pairs),
        "total": f"{len(test):,}",
        "shown": min(MOST, len(pairs)),
        "share": f"{100 * float(right.double().mean()):.2f}",
        "without": f"{100 * float(right[others].double().mean()):.2f}" if others else "",
        "left": f"{len(others):,}",
    }
    parts = {"train": train, **({} if validation is None else {"validation": validation})}
    learned, chosen = counts["train"], counts["validation"]
    line = (
        bilingual("trained.duplicates.where", tag="p", learned=learned, chosen=chosen)
        if validation is not None
        else None
    )
    finding = ("title" if others else "all") + ("_either" if counts["validation"] else "")
    body = join([line, _tiles(pairs, parts, test)])
    return Figure("trained.duplicates", body, "", "", values, finding=finding)


def of_validation(
    pairs: Sequence[NearDuplicate], train: LabelledImages, validation: LabelledImages
) -> Figure:
    """Build the figure of validation images that are nearly the same as images that were learned from.

    Args:
        pairs: the near-duplicates, at least one; their `test` is the index of the validation image.
        train: images that were learned from.
        validation: images that were chosen by.

    Returns:
        The figure.
    """
    values = {"count": len(pairs), "total": f"{len(validation):,}", "shown": min(MOST, len(pairs))}
    body = _tiles(pairs, {"train": train}, validation, "chosen_duplicates")
    return Figure("trained.chosen_duplicates", body, "", "", values)


def _tiles(
    pairs: Sequence[NearDuplicate],
    parts: Mapping[str, LabelledImages],
    test: LabelledImages,
    texts: str = "duplicates",
) -> Markup:
    """Draw the pairs side by side, the image of the twin's part at the right."""
    tiles = []
    for pair in pairs[:MOST]:
        train = parts[pair.part]
        said = {
            "test": test.classes[int(test.labels[pair.test])],
            "train": train.classes[int(train.labels[pair.train])],
            "correlation": f"{pair.correlation:.3f}",
        }
        alt_twin = "alt_train" if pair.part == "train" else "alt_chosen"
        both = [
            picture(images.inputs([index])[0], images.spec, spoken(key, **said))
            for key, images, index in (
                (f"trained.{texts}.alt_test", test, pair.test),
                (f"trained.duplicates.{alt_twin}", train, pair.train),
            )
        ]
        key = "mirrored" if pair.mirrored else "said"
        files = {"test": _named(test, pair.test), "train": _named(train, pair.train)}
        lines = [bilingual(f"trained.duplicates.{key}", **{**said, **files})]
        if len(parts) > 1:
            lines += [" ", bilingual(f"trained.duplicates.in_{pair.part}", class_="muted")]
        tiles.append(element("div", element("div", *both, class_="side"), join(lines), class_="tile"))
    return element("div", *tiles, class_="sheet", style="--tile:13rem")


def _named(images: LabelledImages, index: int) -> str:
    """Return the class of an image with the name of its file, where it was read from one."""
    label = images.classes[int(images.labels[index])]
    paths = getattr(images, "paths", None)
    return label if paths is None else f"{label} ({paths[index].name})"
