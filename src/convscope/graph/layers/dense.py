"""Fully connected (dense) layers, and flattening."""

from dataclasses import asdict, dataclass
from math import prod

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, Layer, Window
from convscope.graph.options import flag, whole
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import times


def features(layer: Layer, shape: Shape) -> int:
    """Return the number of features of an input vector, and check that it is a vector.

    Args:
        layer: the layer that reads it, for the error.
        shape: shape of the input, without batch axis.

    Returns:
        The length of the vector.

    Raises:
        GraphError: the input has more axes.
    """
    if len(shape) != 1:
        raise GraphError(
            f"a vector of features for {layer.kind} to read",
            received=times(shape),
            hint="Put flatten before.",
        )
    return shape[0]


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer: every output is a weighted sum of all inputs, plus a bias.

    Attributes:
        out_features: number of outputs.
        bias: whether each output has a bias.
    """

    out_features: int
    bias: bool = True
    kind = "dense"
    implementation = "torch.nn.Linear"
    positional = ("out_features",)

    def __post_init__(self) -> None:
        whole(self, "out_features")
        flag(self, "bias")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return `(out_features,)`."""
        features(self, shapes[0])
        return (self.out_features,)

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (out, in) and `bias` (out)."""
        weight = {"weight": (self.out_features, features(self, shapes[0]))}
        return weight | ({"bias": (self.out_features,)} if self.bias else {})

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the number of inputs."""
        return features(self, shapes[0])

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the number of inputs times the number of outputs."""
        return self.out_features * features(self, shapes[0])

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of `torch.nn.Linear`."""
        return {"in_features": features(self, shapes[0]), **asdict(self)}


@dataclass(frozen=True)
class Flatten(Layer):
    """Flattening to a vector in row-major order: channel by channel, row by row."""

    kind = "flatten"
    implementation = "torch.nn.Flatten"
    numbered = False

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the number of values of the input."""
        return (prod(shapes[0]),)

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the whole of every axis: positions in the vector are not positions in space."""
        return ((EVERYTHING,) * (len(shapes[0]) - 1),)
