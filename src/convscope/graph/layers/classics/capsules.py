"""Layers of capsule networks: squashing, routing between capsules, lengths, and the mask of a decoder.

A capsule is a vector of `size` consecutive channels, at every position of its own where there are positions.
"""

from dataclasses import asdict, dataclass
from math import prod

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, Layer, Window
from convscope.graph.layers.activation import Elementwise
from convscope.graph.layers.dense import features
from convscope.graph.options import whole
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import times


def capsule_types(layer: Layer, size: int, shape: Shape) -> int:
    """Return the number of capsules at a position, and check that the channels divide into them.

    Args:
        layer: the layer that reads them, for the error.
        size: channels of a capsule.
        shape: shape of the input, without batch axis.

    Returns:
        The number of capsules.

    Raises:
        GraphError: the channels do not divide.
    """
    if shape[0] % size:
        raise GraphError(
            f"{layer.kind} of size {size} reads whole capsules",
            received=f"{times(shape)}",
            hint=f"Let the layer before have a multiple of {size} channels.",
        )
    return shape[0] // size


@dataclass(frozen=True)
class Squash(Elementwise):
    """Squashing: each capsule keeps its direction, and its length `n` becomes `n^2 / (1 + n^2)`, below 1.

    Attributes:
        size: channels of a capsule.

    Source: Sabour, Frosst and Hinton 2017, Dynamic Routing Between Capsules, equation 1, arXiv:1710.09829.
    """

    size: int
    kind = "squash"
    implementation = "convscope.nets.modules.classics.capsules.Squash"
    positional = ("size",)

    def __post_init__(self) -> None:
        whole(self, "size")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input."""
        capsule_types(self, self.size, shapes[0])
        return shapes[0]


@dataclass(frozen=True)
class Capsules(Layer):
    """Fully connected capsules with dynamic routing: each of the input votes for each of the output.

    A vote is a matrix of its own times the input's capsule. Coupling coefficients are a softmax over the
    outputs, so that those of an input sum to 1; they grow in each iteration where vote and output agree. The
    output is the squashed sum of the votes, weighted by them.

    Attributes:
        out_capsules: number of capsules of the output.
        out_size: channels of each.
        in_size: channels of a capsule of the input.
        iterations: iterations of the routing; 1 weighs all votes alike.

    Source: Sabour, Frosst and Hinton 2017, procedure 1 and equations 1 to 3, arXiv:1710.09829.
    """

    out_capsules: int
    out_size: int
    in_size: int
    iterations: int = 3
    kind = "capsules"
    implementation = "convscope.nets.modules.classics.capsules.Capsules"
    positional = ("out_capsules", "out_size", "in_size")

    def __post_init__(self) -> None:
        whole(self, "out_capsules", "out_size", "in_size", "iterations")

    def votes(self, shape: Shape) -> int:
        """Return the number of pairs of an input and an output capsule.

        Args:
            shape: shape of the input, without batch axis.

        Returns:
            The number; each pair has a matrix and a vote.
        """
        return capsule_types(self, self.in_size, shape) * prod(shape[1:]) * self.out_capsules

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the channels of all capsules, as a vector."""
        self.votes(shapes[0])
        return (self.out_capsules * self.out_size,)

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `weight` (input capsules, in_size, out_capsules * out_size)."""
        inputs = self.votes(shapes[0]) // self.out_capsules
        return {"weight": (inputs, self.in_size, self.out_capsules * self.out_size)}

    @override
    def filter_weights(self, *shapes: Shape) -> int:
        """Return the weights that one channel of the output reads by."""
        return self.votes(shapes[0]) // self.out_capsules * self.in_size

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return those of the votes, of their weighted sums, and of their agreement with the outputs."""
        return self.votes(shapes[0]) * self.out_size * (self.in_size + 2 * self.iterations - 1)

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the whole of every axis."""
        return ((EVERYTHING,) * (len(shapes[0]) - 1),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the number of capsules of the input, and the options."""
        return {"in_capsules": self.votes(shapes[0]) // self.out_capsules, **asdict(self)}


@dataclass(frozen=True)
class CapsuleLength(Layer):
    """Length of each capsule: the probability that what it stands for is there.

    Attributes:
        size: channels of a capsule.

    Source: Sabour, Frosst and Hinton 2017, section 3, arXiv:1710.09829.
    """

    size: int
    kind = "capsulelength"
    implementation = "convscope.nets.modules.classics.capsules.CapsuleLength"
    positional = ("size",)
    numbered = False

    def __post_init__(self) -> None:
        whole(self, "size")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return one channel for each capsule."""
        return (capsule_types(self, self.size, shapes[0]), *shapes[0][1:])


@dataclass(frozen=True)
class CapsuleMask(Layer):
    """Mask of a decoder: the longest capsule as it is, and zeros in the place of the others.

    Attributes:
        size: channels of a capsule.

    Source: Sabour, Frosst and Hinton 2017, section 4.1, arXiv:1710.09829.
    """

    size: int
    kind = "capsulemask"
    implementation = "convscope.nets.modules.classics.capsules.CapsuleMask"
    positional = ("size",)
    numbered = False

    def __post_init__(self) -> None:
        whole(self, "size")

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the input, a vector."""
        features(self, shapes[0])
        capsule_types(self, self.size, shapes[0])
        return shapes[0]
