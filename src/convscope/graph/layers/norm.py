"""Normalisation layers, and dropout."""

from dataclasses import asdict, dataclass
from typing import ClassVar

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, Window
from convscope.graph.layers.activation import Elementwise
from convscope.graph.options import flag, number, whole
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import spatial, times


@dataclass(frozen=True)
class _BatchNorm(Elementwise):
    """Options and arithmetic of batch normalisation; `ranks` are the numbers of spatial axes it accepts."""

    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    ranks: ClassVar[tuple[int, ...]]

    def __post_init__(self) -> None:
        number(self, "eps", 0)
        number(self, "momentum", 0, 1)
        flag(self, "affine")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input, after a check of its number of axes."""
        if len(shapes[0]) - 1 not in self.ranks:
            spatial(self, self.ranks[-1], shapes[0])
        return shapes[0]

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (gamma) and `bias` (beta), one per channel; running statistics are not trained."""
        return {"weight": shapes[0][:1], "bias": shapes[0][:1]} if self.affine else {}

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.BatchNorm2d`."""
        return {"num_features": shapes[0][0], **asdict(self)}


@dataclass(frozen=True)
class BatchNorm1d(_BatchNorm):
    """Batch normalisation of each channel, or feature, over the batch and one axis, then scale and shift.

    Attributes:
        eps: added to the variance.
        momentum: weight of the current batch in the running statistics, from 0 to 1.
        affine: whether scale and shift are trained; left out otherwise.

    Source: Ioffe and Szegedy 2015, algorithm 1, arXiv:1502.03167.
    """

    kind = "batchnorm1d"
    implementation = "torch.nn.BatchNorm1d"
    ranks = (0, 1)


@dataclass(frozen=True)
class BatchNorm2d(_BatchNorm):
    """Batch normalisation of each channel over the batch, height and width, then scale and shift.

    Attributes:
        eps: added to the variance.
        momentum: weight of the current batch in the running statistics, from 0 to 1.
        affine: whether scale and shift are trained; left out otherwise.

    Source: Ioffe and Szegedy 2015, section 3.2, arXiv:1502.03167.
    """

    kind = "batchnorm2d"
    implementation = "torch.nn.BatchNorm2d"
    ranks = (2,)


@dataclass(frozen=True)
class LayerNorm(Elementwise):
    """Layer normalisation of each example over channels and space, then scale and shift value by value.

    Attributes:
        eps: added to the variance.
        affine: whether scale and shift are trained; left out otherwise.

    Source: Ba et al. 2016, section 3, arXiv:1607.06450.
    """

    eps: float = 1e-5
    affine: bool = True
    kind = "layernorm"
    implementation = "torch.nn.LayerNorm"

    def __post_init__(self) -> None:
        number(self, "eps", 0)
        flag(self, "affine")

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` and `bias`, each of the shape of the input."""
        return {"weight": shapes[0], "bias": shapes[0]} if self.affine else {}

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the whole of every axis: mean and variance depend on every value."""
        return ((EVERYTHING,) * (len(shapes[0]) - 1),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.LayerNorm`."""
        return {"normalized_shape": shapes[0], "eps": self.eps, "elementwise_affine": self.affine}


@dataclass(frozen=True)
class LRN(Elementwise):
    """Local response normalisation across channels: x / (k + alpha / size * sum x^2)^beta.

    Attributes:
        size: number of neighbouring channels in the sum.
        alpha: as in PyTorch, **divided by `size`**. AlexNet's alpha = 1e-4 over 5 channels is `alpha=5e-4`
            here.
        beta: exponent of the divisor.
        k: constant in the divisor.

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

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input, which must have a spatial axis."""
        if len(shapes[0]) < 2:
            raise GraphError(
                "channels with at least one spatial axis for lrn to read",
                received=times(shapes[0]),
                hint="Put it before flatten and dense layers.",
            )
        return shapes[0]


@dataclass(frozen=True)
class Dropout(Elementwise):
    """Dropout: in training, each value becomes 0 with probability `p`, and the others are divided by 1 - p.

    Source: Srivastava et al. 2014, section 4.
    """

    p: float = 0.5
    kind = "dropout"
    implementation = "torch.nn.Dropout"
    positional = ("p",)

    def __post_init__(self) -> None:
        number(self, "p", 0, 1)
