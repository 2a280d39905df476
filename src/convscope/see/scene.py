"""What an objective looks at: a batch of images and the activations they caused."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from convscope.nets import Place


@dataclass(frozen=True, eq=False)
class Scene:
    """A batch of images and what the network made of them.

    `image` is the canvas itself, before any transformation; `activations` come from the transformed images.
    """

    activations: Mapping[Place, Tensor]
    image: Float[Tensor, "b *shape"]

    def __getitem__(self, place: Place) -> Float[Tensor, "b *shape"]:
        return self.activations[place.whole]

    def rows(self, rows: tuple[int, ...]) -> "Scene":
        """The scene that these images of the batch make."""
        if rows == tuple(range(len(self.image))):
            return self
        chosen = index(rows, self.image.device)
        return Scene({place: a[chosen] for place, a in self.activations.items()}, self.image[chosen])


@lru_cache(maxsize=256)
def index(numbers: tuple[int, ...], device: torch.device) -> Int64[Tensor, " n"]:
    """Whole numbers as a tensor on the device; kept, so that no step copies them there again."""
    return torch.tensor(numbers, dtype=torch.int64, device=device)
