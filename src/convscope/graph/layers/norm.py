"""Normalisation, and dropout."""

from dataclasses import asdict, dataclass
from typing import ClassVar

from convscope.errors import GraphError
from convscope.graph.contract import Shape
from convscope.graph.layer import EVERYTHING, Window
from convscope.graph.layers.activation import Elementwise
from convscope.graph.options import flag, number, whole
from convscope.graph.window_geometry import spatial, times


@dataclass(frozen=True)
class _BatchNorm(Elementwise):
    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    ranks: ClassVar[tuple[int, ...]]

    def __post_init__(self) -> None:
        number(self, "eps", 0)
        number(self, "momentum", 0, 1)
        flag(self, "affine")

    def output_shape(self, *shapes: Shape) -> Shape:
        """The same."""
        if len(shapes[0]) - 1 not in self.ranks:
            spatial(self, self.ranks[-1], shapes[0])
        return shapes[0]

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """`weight` (gamma) and `bias` (beta), one per channel; the running statistics are not trained."""
        return {"weight": shapes[0][:1], "bias": shapes[0][:1]} if self.affine else {}

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """As `torch.nn.BatchNorm2d`."""
        return {"num_features": shapes[0][0], **asdict(self)}


@dataclass(frozen=True)
class BatchNorm1d(_BatchNorm):
    """Each channel, or feature, to mean 0 and variance 1 over batch and space, then scaled and shifted.

    Source: Ioffe and Szegedy 2015, algorithm 1, arXiv:1502.03167.
    """

    kind = "batchnorm1d"
    implementation = "torch.nn.BatchNorm1d"
    ranks = (0, 1)


@dataclass(frozen=True)
class BatchNorm2d(_BatchNorm):
    """Each channel to mean 0 and variance 1 over the batch and space, then scaled and shifted.

    Source: Ioffe and Szegedy 2015, section 3.2, arXiv:1502.03167.
    """

    kind = "batchnorm2d"
    implementation = "torch.nn.BatchNorm2d"
    ranks = (2,)


@dataclass(frozen=True)
class LayerNorm(Elementwise):
    """Each example to mean 0 and variance 1 over channels and space, then scaled and shifted value by value.

    Source: Ba et al. 2016, section 3, arXiv:1607.06450.
    """

    eps: float = 1e-5
    affine: bool = True
    kind = "layernorm"
    implementation = "torch.nn.LayerNorm"

    def __post_init__(self) -> None:
        number(self, "eps", 0)
        flag(self, "affine")

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """`weight` and `bias`, each as large as the input."""
        return {"weight": shapes[0], "bias": shapes[0]} if self.affine else {}

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """The statistics depend on every value."""
        return ((EVERYTHING,) * (len(shapes[0]) - 1),)

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """As `torch.nn.LayerNorm`."""
        return {"normalized_shape": shapes[0], "eps": self.eps, "elementwise_affine": self.affine}


@dataclass(frozen=True)
class LRN(Elementwise):
    """Each value divided by the energy of the channels around it: x / (k + alpha / size * sum x^2)^beta.

    Attributes:
        size: number of neighbouring channels in the sum.
        alpha: as in PyTorch, **divided by `size`**. AlexNet's alpha = 1e-4 over 5 channels is `alpha=5e-4`
            here.

    Source: Krizhevsky et al. 2012, section 3.3, where k = 2, n = 5, alpha = 1e-4, beta = 0.75.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0
    kind = "lrn"
    implementation = "torch.nn.LocalResponseNorm"
    positional = ("size",)

    def __post_init__(self) -> None:
        whole(self, "size")
        for name in ("alpha", "beta", "k"):
            number(self, name, 0)

    def output_shape(self, *shapes: Shape) -> Shape:
        """The same."""
        if len(shapes[0]) < 2:
            raise GraphError("lrn reads channels with at least one spatial axis", received=times(shapes[0]))
        return shapes[0]


@dataclass(frozen=True)
class Dropout(Elementwise):
    """While training, each value is zero with probability `p`, and the others grow by 1 / (1 - p).

    Source: Srivastava et al. 2014, section 4.
    """

    p: float = 0.5
    kind = "dropout"
    implementation = "torch.nn.Dropout"
    positional = ("p",)

    def __post_init__(self) -> None:
        number(self, "p", 0, 1)
