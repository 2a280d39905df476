"""The thousand classes of ILSVRC-2012, by WordNet number, the order that every library uses."""

from importlib.resources import files

CATEGORIES: tuple[str, ...] = tuple(
    files("convscope.nets").joinpath("data", "imagenet.txt").read_text(encoding="utf-8").splitlines()
)
"""torchvision's short English names; two pairs are told apart only by their numbers (crane, maillot)."""
