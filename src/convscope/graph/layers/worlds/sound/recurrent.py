"""Layers between convolutions and time: LSTM, channels as rows of a map, and the logarithm of energies."""

from dataclasses import dataclass
from math import prod

from typing_extensions import override

from convscope.errors import GraphError
from convscope.graph.layer import EVERYTHING, SAME, Layer, Window
from convscope.graph.layers.activation import Elementwise
from convscope.graph.options import flag, number, whole, wrong
from convscope.graph.spec import Shape
from convscope.graph.window_geometry import spatial, times


@dataclass(frozen=True)
class Log(Elementwise):
    """Logarithm: `log(x + offset)`, for values from 0 on.

    Attributes:
        offset: added first, so that 0 has a logarithm.
    """

    offset: float = 0.01
    kind = "log"
    implementation = "convscope.nets.modules.worlds.sound.recurrent.Log"
    positional = ("offset",)

    def __post_init__(self) -> None:
        if self.offset == -1:
            raise wrong(self, "offset", "a number above 0")
        number(self, "offset", low=1e-12)


@dataclass(frozen=True)
class Unsqueeze(Layer):
    """Channels as an axis: `[c, t]` becomes one map `[1, c, t]`, so that kernels move along the channels.

    After a filter bank, whose channels are frequencies, a convolution then moves along frequency and time.
    """

    kind = "unsqueeze"
    implementation = "convscope.nets.modules.worlds.sound.recurrent.Unsqueeze"
    numbered = False

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return one channel, the channels as height, and time as width."""
        channels, (length,) = spatial(self, 1, shapes[0])
        return (1, channels, length)

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the same position in time."""
        return ((SAME,),)

    @override
    def output_axes(self, *shapes: Shape) -> tuple[tuple[int | None, ...], ...]:
        """Return that time becomes the second spatial axis."""
        return ((1,),)


@dataclass(frozen=True)
class LSTM(Layer):
    """Long short-term memory along the last axis, which is time; all others are its features.

    Attributes:
        hidden_size: number of cells.
        num_layers: number of layers, each reading the outputs of the one before.
        bidirectional: whether a second one runs backwards in time; the outputs of both are concatenated.

    Source: Hochreiter and Schmidhuber 1997, Long Short-Term Memory.
    """

    hidden_size: int = 64
    num_layers: int = 1
    bidirectional: bool = False
    kind = "lstm"
    implementation = "convscope.nets.modules.worlds.sound.recurrent.LSTM"
    positional = ("hidden_size",)

    def __post_init__(self) -> None:
        whole(self, "hidden_size", "num_layers")
        flag(self, "bidirectional")

    def _features(self, shape: Shape) -> int:
        if len(shape) not in (2, 3):
            raise GraphError(
                "channels x time, or channels x height x time, for lstm to read",
                received=times(shape),
                hint="Put it before flatten.",
            )
        return prod(shape[:-1])

    @override
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the outputs of the last layer, of both directions, and time."""
        self._features(shapes[0])
        return (self.hidden_size * (1 + self.bidirectional), shapes[0][-1])

    @override
    def parameters(self, *shapes: Shape) -> dict[str, Shape]:
        """Return the weights and biases of each layer and direction, as `torch.nn.LSTM` names them."""
        found: dict[str, Shape] = {}
        for k in range(self.num_layers):
            reads = self._features(shapes[0]) if k == 0 else self.hidden_size * (1 + self.bidirectional)
            for suffix in (f"_l{k}", f"_l{k}_reverse")[: 1 + self.bidirectional]:
                found[f"weight_ih{suffix}"] = (4 * self.hidden_size, reads)
                found[f"weight_hh{suffix}"] = (4 * self.hidden_size, self.hidden_size)
                found[f"bias_ih{suffix}"] = found[f"bias_hh{suffix}"] = (4 * self.hidden_size,)
        return found

    @override
    def macs(self, *shapes: Shape) -> int:
        """Return one product for each weight and time step."""
        return shapes[0][-1] * sum(prod(s) for s in self.parameters(*shapes).values() if len(s) == 2)

    @override
    def windows(self, *shapes: Shape) -> tuple[tuple[Window | None, ...], ...]:
        """Return the whole of every axis: the state depends on all steps before."""
        return ((EVERYTHING,) * (len(shapes[0]) - 1),)

    @override
    def arguments(self, *shapes: Shape) -> dict[str, object]:
        """Return those of the module."""
        return {
            "input_size": self._features(shapes[0]),
            "hidden_size": self.hidden_size,
            "num_layers": self.num_layers,
            "bidirectional": self.bidirectional,
        }
