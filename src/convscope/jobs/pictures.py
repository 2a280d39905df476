"""File names of images that are valid on any file system, and what several jobs draw and say."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convscope.graph import TensorSpec
    from convscope.worlds import Dataset, Sample

UNMOVED = "no gradient: it was exactly 0 in every step, so the picture is the start it began with"
"""Note of verbs beside an optimized image that no gradient has changed."""
NOT_RAISED = "failed: the objective is no higher than before; try more --steps"
"""Note of verbs beside an optimized image whose objective did not rise."""


def file_name(place: str, taken: Sequence[str] = (), ending: str = "") -> str:
    """Return a file name for a layer address or another label: `conv2:17@5,5` becomes `conv2-17-5-5.png`.

    Args:
        place: the label; all characters but letters, digits, `_` and `.` become dashes. At most 100 are kept.
        taken: names in use; a number is appended to avoid them.
        ending: suffix before the extension, such as `-filters`.

    Returns:
        A name with the extension `.png` that is not in `taken`.
    """
    plain = re.sub(r"[^\w.]+", "-", place).strip("-.")[:100] or "place"
    name, number = f"{plain}{ending}.png", 1
    while name in taken:
        number += 1
        name = f"{plain}{ending}-{number}.png"
    return name


def synthetic_file_name(caption: str, taken: Sequence[str] = ()) -> str:
    """Return a file name for a synthetic image: `conv2-17.png`, or `conv2-17-min.png` for a minimised one.

    Args:
        caption: as `Visualization.captions` writes it: the place, its variant, and whether it is minimised.
        taken: names in use; a number is appended to avoid them, such as that of a variant.

    Returns:
        A name with the extension `.png` that is not in `taken`.
    """
    place = caption.removesuffix(" (minimised)")
    return file_name(place.partition(" ~")[0], taken, "-min" if place != caption else "")


def said_of_crops(samples: "Sequence[Sample]", spec: "TensorSpec") -> dict[str, Any]:
    """Say in a document how much of its photographs a network sees.

    Args:
        samples: what was opened; at least one.
        spec: the network's input spec.

    Returns:
        `said` and `said_zh`: sentences in English and Chinese; none where nothing is cropped.
    """
    from convscope.show.pages import crop

    return crop.as_fields(crop.sentences(samples, spec))


def said_of_data(data: "Dataset") -> dict[str, Any]:
    """Say in a document how much of the photographs of a data set a network sees.

    Args:
        data: opened in the network's input format.

    Returns:
        As `said_of_crops`.
    """
    from convscope.show.pages import crop

    return crop.as_fields(crop.sentences_on_data(data))
