"""Fully connected layer, and what leads to it."""

from dataclasses import asdict, dataclass
from math import prod

from convscope.errors import GraphError
from convscope.graph.contract import Shape
from convscope.graph.layer import EVERYTHING, Layer, Window
from convscope.graph.options import flag, whole
from convscope.graph.window_geometry import times


def features(layer: Layer, shape: Shape) -> int:
    """The length of a vector that comes in.

    Raises:
        GraphError: something with more axes comes in.
    """
    if len(shape) != 1:
        raise GraphError(
            f"{layer.kind} reads a vector of features", received=times(shape), hint="Put flatten before."
        )
    return shape[0]


@dataclass(frozen=True)
class Dense(Layer):
    """Every output is a weighted sum of all inputs, plus a bias."""

    out_features: int
    bias: bool = True
    kind = "dense"
    implementation = "torch.nn.Linear"
    positional = ("out_features",)

    def __post_init__(self) -> None:
        whole(self, "out_features")
        flag(self, "bias")

    def output_shape(self, *shapes: Shape) -> Shape:
        """A vector of `out_features`."""
        features(self, shapes[0])
        return (self.out_features,)

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """`weight` (out, in) and `bias` (out)."""
        weight = {"weight": (self.out_features, features(self, shapes[0]))}
        return weight | ({"bias": (self.out_features,)} if self.bias else {})

    def filter_weights(self, *shapes: Shape) -> int:
        """One weight for every input."""
        return features(self, shapes[0])

    def macs(self, *shapes: Shape) -> int:
        """Every input meets every output."""
        return self.out_features * features(self, shapes[0])

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """As `torch.nn.Linear`."""
        return {"in_features": features(self, shapes[0]), **asdict(self)}


@dataclass(frozen=True)
class Flatten(Layer):
    """Channels, height and width in one row: channel by channel, row by row."""

    kind = "flatten"
    implementation = "torch.nn.Flatten"
    numbered = False

    def output_shape(self, *shapes: Shape) -> Shape:
        """A vector of as many values."""
        return (prod(shapes[0]),)

    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """A place in the vector has no place in space."""
        return ((EVERYTHING,) * (len(shapes[0]) - 1),)
