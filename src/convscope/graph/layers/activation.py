"""Activation functions, which act on each value by itself unless stated otherwise."""

from dataclasses import dataclass

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import Layer
from convscope.graph.options import number, whole
from convscope.graph.spec import Shape


@dataclass(frozen=True)
class Elementwise(Layer):
    """Base class of layers whose output has the shape of the input."""

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input."""
        return shapes[0]


@dataclass(frozen=True)
class Identity(Elementwise):
    """Identity function: the input unchanged."""

    kind = "identity"
    implementation = "torch.nn.Identity"


@dataclass(frozen=True)
class Sigmoid(Elementwise):
    """Logistic sigmoid: 1 / (1 + exp(-x))."""

    kind = "sigmoid"
    implementation = "torch.nn.Sigmoid"


@dataclass(frozen=True)
class Tanh(Elementwise):
    """Hyperbolic tangent."""

    kind = "tanh"
    implementation = "torch.nn.Tanh"


@dataclass(frozen=True)
class ReLU(Elementwise):
    """Rectified linear unit: max(0, x)."""

    kind = "relu"
    implementation = "torch.nn.ReLU"


@dataclass(frozen=True)
class ReLU6(Elementwise):
    """Rectified linear unit with an upper limit: min(max(0, x), 6)."""

    kind = "relu6"
    implementation = "torch.nn.ReLU6"


@dataclass(frozen=True)
class LeakyReLU(Elementwise):
    """Leaky rectified linear unit: x where it is positive, `negative_slope` x elsewhere."""

    negative_slope: float = 0.01
    kind = "leakyrelu"
    implementation = "torch.nn.LeakyReLU"
    positional = ("negative_slope",)

    def __post_init__(self) -> None:
        number(self, "negative_slope")


@dataclass(frozen=True)
class ELU(Elementwise):
    """Exponential linear unit: x where it is positive, `alpha` (exp(x) - 1) elsewhere."""

    alpha: float = 1.0
    kind = "elu"
    implementation = "torch.nn.ELU"
    positional = ("alpha",)

    def __post_init__(self) -> None:
        number(self, "alpha")


@dataclass(frozen=True)
class GELU(Elementwise):
    """Gaussian error linear unit: x times the probability that a standard normal variable is below x."""

    kind = "gelu"
    implementation = "torch.nn.GELU"


@dataclass(frozen=True)
class SiLU(Elementwise):
    """Sigmoid linear unit, also called swish: x sigmoid(x)."""

    kind = "silu"
    implementation = "torch.nn.SiLU"


@dataclass(frozen=True)
class Hardswish(Elementwise):
    """Piecewise approximation of swish: x relu6(x + 3) / 6."""

    kind = "hardswish"
    implementation = "torch.nn.Hardswish"


@dataclass(frozen=True)
class Hardsigmoid(Elementwise):
    """Piecewise linear approximation of the sigmoid: relu6(x + 3) / 6."""

    kind = "hardsigmoid"
    implementation = "torch.nn.Hardsigmoid"


@dataclass(frozen=True)
class Softplus(Elementwise):
    """Smooth approximation of ReLU: log(1 + exp(x))."""

    kind = "softplus"
    implementation = "torch.nn.Softplus"


@dataclass(frozen=True)
class Softmax(Elementwise):
    """Softmax over the channels at every position: positive values that sum to 1."""

    kind = "softmax"
    implementation = "torch.nn.Softmax"
    numbered = False

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.Softmax`, over the channels."""
        return {"dim": 1}


@dataclass(frozen=True)
class ScaledTanh(Elementwise):
    """Scaled hyperbolic tangent of LeNet-5: `amplitude` tanh(`slope` x).

    With the default values f(1) = 1 and f(-1) = -1.

    Source: LeCun et al. 1998, Gradient-based learning applied to document recognition, appendix A.
    """

    amplitude: float = 1.7159
    slope: float = 2 / 3
    kind = "scaledtanh"
    implementation = "convscope.nets.modules.classics.lenet.ScaledTanh"
    positional = ("amplitude", "slope")

    def __post_init__(self) -> None:
        number(self, "amplitude")
        number(self, "slope")


@dataclass(frozen=True)
class Maxout(Layer):
    """Maxout, a learned piecewise linear function: the largest of `pieces` consecutive channels or features.

    Source: Goodfellow et al. 2013, Maxout networks, section 3, arXiv:1302.4389.
    """

    pieces: int = 2
    kind = "maxout"
    implementation = "convscope.nets.modules.maxout.Maxout"
    positional = ("pieces",)

    def __post_init__(self) -> None:
        whole(self, "pieces")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the input's shape with the channels divided by `pieces`."""
        channels = shapes[0][0]
        if channels % self.pieces:
            raise GraphError(
                "channels that are a multiple of pieces, for maxout",
                received=f"channels={channels}, pieces={self.pieces}",
                hint=f"Let the layer before have a multiple of {self.pieces} channels.",
            )
        return (channels // self.pieces, *shapes[0][1:])
