"""The thousand classes of ILSVRC-2012, by WordNet number, the order that every library uses."""

from torchvision.models._meta import _IMAGENET_CATEGORIES

CATEGORIES: tuple[str, ...] = tuple(_IMAGENET_CATEGORIES)
"""Short English names; torchvision keeps two twins apart only by their numbers (crane, maillot)."""
