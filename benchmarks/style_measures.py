"""How far finished pictures are from a photograph and a painting, seen by a network that nobody optimised.

SqueezeNet 1.1 as its authors published it (Iandola et al. 2016, arXiv:1602.07360; BSD-2), from the test data.

LPIPS itself is not measured: its learned weights belong to the channels of torchvision's SqueezeNet, VGG or
AlexNet, each trained anew, and none of these is here. What is measured is the distance without such weights
from the same paper (Zhang et al. 2018, arXiv:1801.03924, equation 1 with w = 1; its package's `lpips=False`).
"""

import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torchvision.models import squeezenet1_1

DATA = Path(os.environ.get("CONVSCOPE_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
WEIGHTS = DATA / "weights" / "squeezenet1_1.fp16.safetensors"
MEAN = (104.0, 117.0, 123.0)
"""The network's, of blue, green and red from 0 to 255."""
LAYERS = (1, 4, 7, 9, 10, 11, 12)
"""The layers of `features` after which LPIPS looks at SqueezeNet."""
TINY = 1e-10


class Onlooker:
    """The network, and how far apart it sees two pictures `[3 h w]` with values from 0 to 1."""

    def __init__(self) -> None:
        net = squeezenet1_1()
        net.load_state_dict({name: weight.float() for name, weight in load_file(WEIGHTS).items()})
        self.layers = net.features.eval()

    @torch.no_grad()
    def maps(self, image: Tensor) -> list[Tensor]:
        """Of the picture in bytes, as it is saved."""
        x = ((image * 255).round().clamp(0, 255)[[2, 1, 0]] - torch.tensor(MEAN).view(3, 1, 1))[None]
        found = []
        for number, layer in enumerate(self.layers):
            x = layer(x)
            found += [x] if number in LAYERS else []
        return found

    def apart(self, one: Tensor, other: Tensor) -> float:
        """Squared distances of the channels' unit vectors, averaged over positions, summed over layers."""
        pairs = zip(self.maps(one), self.maps(other), strict=True)
        return sum(float((unit(a) - unit(b)).square().sum(1).mean()) for a, b in pairs)

    def missing(self, painted: Tensor, photograph: Tensor, painting: Tensor) -> float:
        """How far its correlations are from the painting's: 0 is the painting's, 1 the photograph's."""
        here, before, wanted = (map(gram, self.maps(x)) for x in (painted, photograph, painting))
        shares = [
            float((a - w).square().sum() / (b - w).square().sum())
            for a, b, w in zip(here, before, wanted, strict=True)
        ]
        return sum(shares) / len(shares)


def unit(maps: Tensor) -> Tensor:
    """Each position's channels, divided by their length."""
    return maps / (maps.square().sum(1, keepdim=True).sqrt() + TINY)


def gram(maps: Tensor) -> Tensor:
    """Correlations between channels."""
    flat = maps[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def seen(painted: Tensor, photograph: Tensor, painting: Tensor) -> dict[str, float]:
    """Both measures; nothing where the weights are not there."""
    if not WEIGHTS.is_file():
        return {}
    onlooker = Onlooker()
    return {
        "apart": onlooker.apart(painted, photograph),
        "missing": onlooker.missing(painted, photograph, painting),
    }
