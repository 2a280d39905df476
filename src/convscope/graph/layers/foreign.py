"""A layer that was read from somebody's network and that this package has no kind for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from convscope.errors import GraphError
from convscope.graph.contract import Shape
from convscope.graph.layer import EVERYTHING, Layer, Window

Windows = tuple[tuple[Window | None, ...], ...]


@dataclass(frozen=True)
class Foreign(Layer):
    """What a layer was seen to do: it can be described and counted, not built.

    Attributes:
        path: what it is, as an import path or the name of a function: `timm.layers.LayerScale2d`, `torch.roll`.
        shape: what came out, without batch axis.
        weights: name and shape of every trainable tensor.
        products: multiply-accumulates for one example.
        reads: for each input, what one output reads along each spatial axis of it; empty for "everything".
    """

    path: str
    shape: Shape
    weights: tuple[tuple[str, Shape], ...] = ()
    products: int = 0
    reads: Windows = ()
    kind = "foreign"
    implementation = ""
    inputs = (0, None)

    def __post_init__(self) -> None:
        weights = self.weights.items() if isinstance(self.weights, Mapping) else self.weights
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "weights", tuple((name, tuple(shape)) for name, shape in weights))
        object.__setattr__(self, "reads", tuple(map(tuple, self.reads)))

    def output_shape(self, *shapes: Shape) -> Shape:
        """What was seen."""
        return self.shape

    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """What was seen."""
        return dict(self.weights)

    def macs(self, *shapes: Shape) -> int:
        """What was counted."""
        return self.products

    def windows(self, *shapes: Shape) -> Windows:
        """What was stated, or everything."""
        if not self.reads:
            return tuple((EVERYTHING,) * max(len(shape) - 1, 0) for shape in shapes)
        if [len(axes) for axes in self.reads] != [max(len(shape) - 1, 0) for shape in shapes]:
            received = f"{self.path}: {self.reads}"
            raise GraphError(
                "foreign: reads has a window for each spatial axis of each input", received=received
            )
        return self.reads

    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Nobody can build this.

        Raises:
            GraphError: always.
        """
        hint = "Use the network it was read from."
        raise GraphError("a layer that can be built", received=f"foreign layer {self.path}", hint=hint)

    def options(self) -> dict[str, Any]:
        """JSON-ready, with windows as objects."""
        return super().options() | {
            "reads": [[w and asdict(w) for w in axes] for axes in self.reads],
        }

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """The inverse of `options`."""
        reads = [[w and Window(**w) for w in axes] for axes in options.get("reads", ())]
        return super().from_options({**options, "reads": reads})
