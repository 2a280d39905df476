"""The thousand classes of ILSVRC-2012, ordered by WordNet number as in every library."""

from importlib.resources import files

CATEGORIES: tuple[str, ...] = tuple(
    files("convscope.nets").joinpath("data", "imagenet.txt").read_text(encoding="utf-8").splitlines()
)
"""torchvision's short English names; two pairs differ only in their numbers (crane, maillot)."""
