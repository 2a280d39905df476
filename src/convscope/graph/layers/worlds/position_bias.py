"""A bias for each position of a map, which a convolution shares among all positions."""

from dataclasses import dataclass

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import Layer
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import times


@dataclass(frozen=True)
class PositionBias(Layer):
    """Bias that is added to each value of a map: untied, one for each channel and position.

    Where a convolution is to say how likely each point of a board is, the points differ before anything is
    seen: corners, edges, the centre.
    """

    kind = "positionbias"
    implementation = "convscope.nets.modules.worlds.position_bias.PositionBias"

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the input's shape."""
        if len(shapes[0]) < 2:
            raise GraphError(
                "maps (channels and positions), for positionbias to read",
                received=times(shapes[0]),
                hint="Put it before flatten.",
            )
        return shapes[0]

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return `bias` of the input's shape."""
        return {"bias": shapes[0]}

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return the shape of the input."""
        return {"shape": shapes[0]}
