"""Layers read from somebody's network for which the package has no kind of its own."""

from collections.abc import ItemsView, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, Layer, Window
from convscope.graph.options import whole, wrong
from convscope.graph.spec import Shape

Windows = tuple[tuple[Window | None, ...], ...]


@dataclass(frozen=True)
class Foreign(Layer):
    """An opaque layer, recorded from a pass of a network: it can be described and counted, but not built.

    Attributes:
        path: an import path or the name of a function: `torch.roll`.
        shape: shape of the recorded output, without batch axis.
        weights: name and shape of every trainable tensor.
        products: multiply-accumulates for one example.
        reads: for each input, the window that one output reads along each spatial axis, None for a whole
            axis; empty if every output may read everything.
        uncounted: names of the kernels whose multiply-accumulates are not in `products`.

    Raises:
        GraphError: an option is of the wrong type.
    """

    path: str
    shape: Shape
    weights: tuple[tuple[str, Shape], ...] = ()
    products: int = 0
    reads: Windows = ()
    uncounted: tuple[str, ...] = ()
    kind = "foreign"
    implementation = ""
    inputs = (0, None)

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path:
            raise wrong(self, "path", "a text")
        if not _is_shape(self.shape):
            raise wrong(self, "shape", "whole numbers from 0")
        whole(self, "products", least=0)
        if not _is_list(self.uncounted) or not all(isinstance(name, str) for name in self.uncounted):
            raise wrong(self, "uncounted", "names of kernels")
        pairs = self.weights.items() if isinstance(self.weights, Mapping) else self.weights
        if not _is_list(pairs) or not all(_is_list(pair) and _is_weight(*pair) for pair in pairs):
            raise wrong(self, "weights", "names with shapes")
        if not _is_list(self.reads) or not all(
            _is_list(axes) and all(map(_is_window, axes)) for axes in self.reads
        ):
            raise wrong(self, "reads", "a list of windows for each input")
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "weights", tuple((name, tuple(shape)) for name, shape in pairs))
        object.__setattr__(self, "reads", tuple(map(tuple, self.reads)))
        object.__setattr__(self, "uncounted", tuple(self.uncounted))

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the recorded shape, whatever the inputs."""
        return self.shape

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return the recorded names and shapes."""
        return dict(self.weights)

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return the recorded number."""
        return self.products

    @override
    def windows(self, *shapes: Shape) -> Windows:
        """Return the recorded windows, or the whole of every axis where there are none.

        Raises:
            GraphError: the recorded windows do not fit the number of inputs or of their axes.
        """
        if not self.reads:
            return tuple((EVERYTHING,) * max(len(shape) - 1, 0) for shape in shapes)
        if [len(axes) for axes in self.reads] != [max(len(shape) - 1, 0) for shape in shapes]:
            received = f"{self.path}: {self.reads}"
            raise GraphError(
                "foreign: reads with a window for each spatial axis of each input", received=received
            )
        return self.reads

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Refuse: a foreign layer cannot be built.

        Raises:
            GraphError: always.
        """
        hint = "Use the network it was read from."
        raise GraphError("a layer that can be built", received=f"foreign layer {self.path}", hint=hint)

    @override
    def options(self) -> dict[str, Any]:
        """Return every option by name, JSON-ready, with windows as dicts."""
        return super().options() | {
            "reads": [[w and asdict(w) for w in axes] for axes in self.reads],
        }

    @classmethod
    @override
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Build the layer from what `options` returns."""
        reads = options.get("reads", [])
        if _is_list(reads) and all(map(_is_list, reads)):
            reads = [[_window(axis) for axis in axes] for axes in reads]
        return super().from_options({**options, "reads": reads})


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple | list | ItemsView)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(type(n) is int and n >= 0 for n in value)


def _is_weight(name: Any = None, shape: Any = None, *more: Any) -> bool:
    return isinstance(name, str) and _is_shape(shape) and not more


def _is_window(value: Any) -> bool:
    if value is None:
        return True
    numbers = isinstance(value, Window) and all(type(n) is int for n in asdict(value).values())
    return numbers and min(value.size, value.dilation, value.up) > 0 and value.stride >= 0


def _window(value: Any) -> Any:
    """Convert a dict of fields to a `Window`; return anything else unchanged, to be refused later."""
    known = Window.__dataclass_fields__
    return Window(**value) if isinstance(value, dict) and value.keys() <= known.keys() else value
